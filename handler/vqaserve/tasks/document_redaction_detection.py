"""Where the pages of a document are blacked out, and whether the redactions redact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, cast

from vqaserve.documents.boxes import Box
from vqaserve.documents.coverage import covered_share, hides_text
from vqaserve.documents.limits import DocumentBudget
from vqaserve.documents.pages import Page
from vqaserve.documents.reading import read_document
from vqaserve.errors import InvalidImage
from vqaserve.tasks.base import Task, refuse_labels, refuse_question
from vqaserve.types import Answer, Query, Ranking

_COUNTS = 0.5
"""Confidence from which on a box is a redaction."""


class DocumentRedactionDetection(Task):
    """Reads a document's pages; gives ``redacted`` or ``not redacted`` with the boxes of each page."""

    noun: ClassVar[str] = "label"
    fields: ClassVar[frozenset[str]] = frozenset({"pages", "answer"})

    def split(self, query: Query, budget: DocumentBudget) -> list[Query]:
        """One query for each of the document's pages.

        Args:
            query: The query as it came.
            budget: As of the base class.

        Raises:
            Overloaded: The batch's time for documents is up.
            InvalidImage: The document cannot be read, or came as a URL.
            InvalidParameter: ``pages`` names no pages of the document, or too many; or the query has a question.
        """
        refuse_question(query)  # before a document is read for each of ``questions``
        if not isinstance(query.image, bytes):
            raise InvalidImage("a document is not fetched by URL; send the file itself as 'image'")
        pages = read_document(query.image, query.pages, self.settings.limits.documents, budget)
        return [
            replace(query, image=picture, page=page, warnings=(*query.warnings, *page.warnings))
            for page, picture in pages
        ]

    def prepare(self, query: Query) -> Query:
        """Ask for both labels of a page.

        Raises:
            InvalidParameter: The query has a question or labels.
        """
        refuse_question(query)
        refuse_labels(query, "finds redactions only")
        unread = (
            () if query.top_k in (None, 2) else ("a page has two labels, and both are given; 'top_k' has no effect",)
        )
        return replace(query, question="", top_k=2, warnings=(*query.warnings, *unread))

    def finish(self, answers: Sequence[Answer], query: Query) -> Ranking:
        """Both labels; the likelier has the page's number, its boxes and what they cover as details."""
        page = query.page or Page(1, 1)
        found = [box for one in answers for box in cast(Sequence[Mapping[str, float]], one.details.get("boxes", ()))]
        boxes = [box for box in (Box(**one) for one in found) if box.confidence >= _COUNTS]
        under = [hides_text(box, page) for box in boxes]
        details = {
            "page": page.number,
            "boxes": [_entry(box, hides) for box, hides in zip(boxes, under, strict=True)],
            "covered": {
                "page": round(covered_share(boxes, (0.0, 0.0, 1.0, 1.0)), 4),
                "content": round(covered_share(boxes, page.content), 4),
            },
            "text_under_boxes": any(under),
        }
        best, *others = (replace(one, details={}) for one in answers)
        return super().finish([replace(best, details=details), *others], query)


def _entry(box: Box, hides: bool) -> dict[str, object]:
    sides = {name: round(getattr(box, name), 4) for name in ("left", "top", "right", "bottom", "confidence")}
    return {**sides, "text_under_box": hides}
