"""Ask a server about a document of any length, a few pages at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from vqaops.errors import ServerError
from vqaops.server.client import Client, RefusedRequest
from vqaserve.protocols.documents import summarize

_PAGES = 8
"""Pages of a request: few enough for progress that can be seen, many enough that starting a reader costs little."""

_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class PagesRead:
    """Some pages of a document, as the server describes them.

    Attributes:
        pages: The server's entries. Of a page that it cannot read, ``page``, ``code``, ``type`` and ``message``.
        done: Pages that have been read so far, these included.
        of: Pages of the document.
        model: Name and version of the model.
    """

    pages: Sequence[Mapping[str, Any]]
    done: int
    of: int
    model: Mapping[str, str]


def read_pages(client: Client, model: str, document: bytes) -> Iterator[PagesRead]:
    """Yield the pages of a document as soon as the server has read them, not always in order.

    A request whose pages are refused is sent again page by page, so that one damaged page costs no other.

    Args:
        client: The server's client.
        model: ``NAME`` or ``NAME/VERSION`` of a model that reads documents.
        document: A PDF, a TIFF or a picture.

    Raises:
        ServerError: The server refuses the document, does not answer, or the model reads no documents.
    """
    first = _first(client, model, document)
    count, named = first["summary"]["document_pages"], first["model"]
    done = len(first["pages"])
    yield PagesRead(first["pages"], done, count, named)
    missing = sorted(set(range(1, min(count, _PAGES) + 1)) - {page["page"] for page in first["pages"]})
    wanted = [(number, number) for number in missing]
    wanted += [(start, min(count, start + _PAGES - 1)) for start in range(1 + _PAGES, count + 1, _PAGES)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = [pool.submit(_pages, client, model, document, *pages) for pages in wanted]
        try:
            for part in as_completed(parts):
                done += len(part.result())
                yield PagesRead(part.result(), done, count, named)
        finally:
            pool.shutdown(cancel_futures=True)


def find_redactions(
    client: Client, model: str, document: bytes, progress: Callable[[int, int], None] = lambda done, of: None
) -> dict[str, Any]:
    """The reply about all pages of a document, as the server would give it for a short one.

    Args:
        client: As of ``read_pages``.
        model: As of ``read_pages``.
        document: As of ``read_pages``.
        progress: Hears how many pages are read, and how many there are.

    Raises:
        ServerError: As ``read_pages``.
    """
    pages: list[Mapping[str, Any]] = []
    summary, named = {}, {}
    for part in read_pages(client, model, document):
        pages += part.pages
        summary, named = {"document_pages": part.of}, dict(part.model)
        progress(part.done, part.of)
    pages.sort(key=lambda page: page["page"])
    return {"summary": {**summary, **summarize(pages)}, "pages": pages, "model": named}


def _first(client: Client, model: str, document: bytes) -> Mapping[str, Any]:
    """The reply about the first pages, or about one of the first two where the others are refused."""
    try:
        return _ask(client, model, document, 1, _PAGES)
    except RefusedRequest as error:
        if not _is_refused_document(error):
            raise
        for number in (1, 2):
            try:
                return _ask(client, model, document, number, number)
            except RefusedRequest:
                continue
        raise


def _pages(client: Client, model: str, document: bytes, first: int, last: int) -> Sequence[Mapping[str, Any]]:
    try:
        pages: Sequence[Mapping[str, Any]] = _ask(client, model, document, first, last)["pages"]
    except RefusedRequest as error:
        if not _is_refused_document(error):
            raise
        if first == last:
            return [{"page": first, **error.reply}]
        return [page for number in range(first, last + 1) for page in _pages(client, model, document, number, number)]
    return pages


def _is_refused_document(error: RefusedRequest) -> bool:
    """Whether the server can read no page of a request; other pages it may read."""
    return error.reply.get("type") == "InvalidImage"


def _ask(client: Client, model: str, document: bytes, first: int, last: int) -> Mapping[str, Any]:
    reply = client.ask(model, document, {"pages": f"{first}-{last}"})
    if "pages" not in reply:
        raise ServerError(f"{model} reads no documents; choose a model of the task document_redaction_detection")
    return reply
