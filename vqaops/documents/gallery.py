"""Pictures of the redacted pages of a document, with what was found on them drawn in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from vqaops.documents.drawing import caption, colour
from vqaops.documents.rendered import rendered_pages
from vqaserve.documents.pages import REDACTED

_WIDTH, _LETTERS = 3, 20
"""Of lines and of letters, in pixels of a page at 150 dpi."""


def page_pictures(document: bytes, pages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Image.Image]]:
    """Yield the number and the picture of each redacted page: red boxes redact, orange ones have text under them.

    Args:
        document: The PDF, TIFF or picture.
        pages: The server's entries, in order.
    """
    boxes = {page["page"]: page["boxes"] for page in pages if page.get("label") == REDACTED}
    for number, picture in rendered_pages(document, list(boxes)):
        yield number, _drawn(picture.convert("RGB"), boxes[number])


def _drawn(page: Image.Image, boxes: Sequence[Mapping[str, Any]]) -> Image.Image:
    pen, letters = ImageDraw.Draw(page), ImageFont.load_default(_LETTERS)
    for box in boxes:
        left, right = (box[side] * page.width for side in ("left", "right"))
        top, bottom = (box[side] * page.height for side in ("top", "bottom"))
        pen.rectangle((left - _WIDTH, top - _WIDTH, right + _WIDTH, bottom + _WIDTH), outline=colour(box), width=_WIDTH)
        pen.text((left, max(0, top - _LETTERS - 2 * _WIDTH)), caption(box), colour(box), letters)
    return page
