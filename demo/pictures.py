"""The check of a picture before it is sent, so that a person need not wait to hear that it cannot be read."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that the server reads, by Pillow's names."""
_SHOWN = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""Those that every browser shows."""


class PictureProblem(Exception):
    """A picture that cannot be sent; the message is for the person who chose it."""


def read_picture(path: Path, most: int) -> bytes:
    """Return a picture's file, as it is.

    Args:
        path: The uploaded file.
        most: Bytes that it may have.

    Raises:
        PictureProblem: It is too large, or not a picture that the server reads.
    """
    size = path.stat().st_size
    if size > most:
        raise PictureProblem(
            f"This picture has {size / 2**20:.0f} MB, and at most {most / 2**20:.0f} MB can be sent. "
            "Choose a smaller one, or save it as a JPEG."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the server has its own limit of pixels
            with Image.open(path, formats=FORMATS):
                return path.read_bytes()
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise PictureProblem(
            "This file cannot be read as a picture. Choose a JPEG, PNG, WebP, GIF, BMP or TIFF; "
            "an iPhone saves JPEGs with Settings > Camera > Formats > Most Compatible."
        ) from None


def can_be_shown(path: Path) -> bool:
    """Whether a browser shows the file as a picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_SHOWN):
                return True
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def suffix_of(picture: bytes) -> str:
    """A suffix for a file with this content, such as ``.jpeg``; the name that it came with may have any, or none.

    Args:
        picture: As ``read_picture`` returns it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(picture), formats=FORMATS) as opened:
            # Pillow calls a JPEG with further pictures in it MPO, as many phones write it.
            return ".jpeg" if opened.format == "MPO" else f".{str(opened.format).lower()}"
