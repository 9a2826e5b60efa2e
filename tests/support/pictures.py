"""Tiny picture files, made in code."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image, ImageDraw


def encoded(colour: str = "red", size: tuple[int, int] = (4, 3), file_format: str = "PNG") -> bytes:
    """A picture file of one colour."""
    return saved(Image.new("RGB", size, colour), file_format)


def saved(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """A picture as a file's bytes."""
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def triangle() -> Image.Image:
    """A picture of a red shape on a pale ground, 24 x 16."""
    picture = Image.new("RGB", (24, 16), (240, 238, 232))
    ImageDraw.Draw(picture).polygon([(12, 2), (20, 13), (4, 13)], fill=(255, 30, 10))
    return picture


def animated(colour: str = "red", file_format: str = "GIF") -> bytes:
    """A file of two frames or pages; the first is of one colour."""
    frames = [Image.new("RGB", (4, 3), name) for name in (colour, "black")]
    return saved(frames[0], file_format, save_all=True, append_images=frames[1:])


def as_base64(data: bytes) -> str:
    """Base64 text of a file."""
    return base64.b64encode(data).decode()
