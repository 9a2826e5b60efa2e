"""Tiny picture files, made on the spot."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image


def encoded(colour: str = "red", size: tuple[int, int] = (4, 3), file_format: str = "PNG") -> bytes:
    """A picture file of one colour."""
    return saved(Image.new("RGB", size, colour), file_format)


def saved(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """A picture as a file's bytes."""
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def as_base64(data: bytes) -> str:
    """Base64 text of a file."""
    return base64.b64encode(data).decode()
