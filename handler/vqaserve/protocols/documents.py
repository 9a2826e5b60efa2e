"""The plain format's reply about a document: its pages in order, and a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vqaserve.documents.pages import REDACTED
from vqaserve.protocols.base import as_json, remarks
from vqaserve.types import Item, Model, Reply


def document_reply(items: Sequence[Item], model: Model) -> Reply:
    """The document's ``label``, a ``summary``, and the ``pages`` that were read, of which some may be errors."""
    pages = [_entry(item) for item in items]
    first = items[0].query.page
    summary = {"document_pages": first.of if first else 1, **summarize(pages)}
    named = {"name": model.name, "version": model.version}
    return as_json({**_whole(items), "summary": summary, "pages": pages, "model": named})


def summarize(pages: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Counts of pages, the numbers of those with redactions, and mean shares that are covered."""
    read = [page for page in pages if "code" not in page]
    shares = {
        area: round(sum(page["covered"][area] for page in read) / len(read), 4) if read else 0.0
        for area in ("page", "content")
    }
    return {
        "pages_read": len(read),
        "redacted_pages": [page["page"] for page in read if page["label"] == REDACTED],
        "boxes": sum(len(page["boxes"]) for page in read),
        "covered": shares,
        "pages_with_text_under_boxes": [page["page"] for page in read if page["text_under_boxes"]],
    }


def _whole(items: Sequence[Item]) -> dict[str, object]:
    """The labels of the document, as those of the page that is most probably redacted: what every client can read."""
    scored = {
        float(str(entry["score"])): item
        for item in items
        for entry in item.ranked.entries
        if entry[item.ranked.noun] == REDACTED
    }
    best = scored[max(scored)].ranked.summary
    labels = [{"label": one["label"], "score": one["score"]} for one in scored[max(scored)].ranked.entries]
    return {"label": best["label"], "confidence": best["confidence"], "labels": labels}


def _entry(item: Item) -> dict[str, object]:
    if item.error:
        return {"page": item.query.page.number if item.query.page else 1, **item.error.body}
    said = {name: value for name, value in item.ranked.summary.items() if name != "labels"}
    return {**said, **remarks(item)}
