"""Pages of a document, and the choice of some of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vqaserve.errors import InvalidParameter

REDACTED = "redacted"
"""The label of a page with redactions."""

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_LONGEST = 10_000  # characters; the text is an argument of a process, of which the kernel takes 128 kB


@dataclass(frozen=True, slots=True)
class Page:
    """What is known about a page, apart from its pixels.

    Attributes:
        number: From 1.
        of: Pages of the whole document.
        content: Left, top, right and bottom of the page without its margins, in fractions of the page.
        hidden: Middles of characters that the page holds and does not show, in fractions of the page. Which characters
            they are is never kept.
        warnings: What the sender should know about how the page's picture was read, one sentence each.
    """

    number: int
    of: int
    content: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    hidden: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()


def read_ranges(wanted: str) -> list[tuple[int, int]]:
    """The first and last pages of the ranges in a text such as ``1,4-6``.

    Raises:
        InvalidParameter: The text is no list of pages, or a long one.
    """
    parts = [_RANGE.fullmatch(part.strip()) for part in wanted[: _LONGEST + 1].split(",")]
    ranges = [(int(part[1]), int(part[2] or part[1])) for part in parts if part]
    if len(wanted) > _LONGEST or len(ranges) < len(parts) or not all(1 <= first <= last for first, last in ranges):
        raise InvalidParameter(f"pages is {wanted!r:.60}; send page numbers from 1 on, such as 3, 1-20 or 1,4-6")
    return ranges


def choose_pages(wanted: str, of: int, most: int) -> list[int]:
    """The numbers of the pages to read, from 1, in order.

    Args:
        wanted: Such as ``3``, ``1-20`` or ``1,4-6``; empty means all pages.
        of: Pages of the document. What a range has beyond them is left out.
        most: Pages that one request may read.

    Raises:
        InvalidParameter: The text is no list of pages, or names none of the document's pages or too many of them.
    """
    chosen: set[int] = set()
    for first, last in read_ranges(wanted or f"1-{of}"):
        chosen.update(range(first, min(last, of) + 1))
    if not chosen:
        raise InvalidParameter(f"pages is {wanted!r:.60}, and the document has {of} pages; choose some of these")
    if len(chosen) > most:
        raise InvalidParameter(
            f"the request asks for {len(chosen):,} of the document's {of:,} pages; one request reads at most {most}: "
            f"send pages=1-{most}, and the next pages in further requests"
        )
    return sorted(chosen)
