"""Ask a server about a document of any length, a few pages at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaserve.protocols.documents import summarize

_PAGES = 8
"""Pages of a request: few enough for progress that can be seen, many enough that starting a reader costs little."""

_AT_ONCE = 2


def find_redactions(
    client: Client, model: str, document: bytes, progress: Callable[[int, int], None] = lambda done, of: None
) -> dict[str, Any]:
    """The reply about all pages of a document, as the server would give it for a short one.

    Args:
        client: The server's client.
        model: ``NAME`` or ``NAME/VERSION`` of a model that reads documents.
        document: A PDF, a TIFF or a picture.
        progress: Hears how many pages are read, and how many there are.

    Raises:
        ServerError: The server refuses the document, does not answer, or the model reads no documents.
    """
    first = _ask(client, model, document, 1)
    count = first["summary"]["document_pages"]
    pages = {page["page"]: page for page in first["pages"]}
    progress(len(pages), count)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = [pool.submit(_ask, client, model, document, start) for start in range(1 + _PAGES, count + 1, _PAGES)]
        try:
            for part in as_completed(parts):
                pages |= {page["page"]: page for page in part.result()["pages"]}
                progress(len(pages), count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    found = [pages[number] for number in sorted(pages)]
    return {"summary": {"document_pages": count, **summarize(found)}, "pages": found, "model": first["model"]}


def _ask(client: Client, model: str, document: bytes, start: int) -> Mapping[str, Any]:
    reply = client.ask(model, document, {"pages": f"{start}-{start + _PAGES - 1}"})
    if "pages" not in reply:
        raise ServerError(f"{model} reads no documents; choose a model of the task document_redaction_detection")
    return reply
