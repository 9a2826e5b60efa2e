"""Some pages of a document as pictures, rendered in a process of their own, as the server does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO

from PIL import Image

from vqaserve.documents.limits import DocumentLimits
from vqaserve.documents.reading import read_document
from vqaserve.errors import InvalidImage
from vqaserve.limits import Limits

_AT_ONCE = 8


def rendered_pages(document: bytes, numbers: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
    """Yield number and grey picture, at 150 dpi at most, of some pages; a page that cannot be read is left out.

    The limits on time and memory are the server's, for each page if need be.

    Args:
        document: A PDF, a TIFF or a picture.
        numbers: Pages of the document from 1, in ascending order.
    """
    limits = DocumentLimits(len(document), _AT_ONCE, Limits().max_document_seconds)
    for start in range(0, len(numbers), _AT_ONCE):
        yield from _rendered(document, numbers[start : start + _AT_ONCE], limits)


def _rendered(document: bytes, numbers: Sequence[int], limits: DocumentLimits) -> Iterator[tuple[int, Image.Image]]:
    try:
        for page, picture in read_document(document, ",".join(map(str, numbers)), limits):
            yield page.number, Image.open(BytesIO(picture))
    except InvalidImage:
        if len(numbers) > 1:
            for number in numbers:
                yield from _rendered(document, [number], limits)
