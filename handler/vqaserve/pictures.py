"""Pictures: what one may cost, and what is known of it at each stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """The part of a recipe's limits that concerns pictures; the fields are those of ``settings.Limits``."""

    max_image_bytes: int
    max_image_pixels: int
    max_jpeg_pixels: int
    max_request_pixels: int
    max_decode_seconds: float


@dataclass(frozen=True, slots=True)
class Squeeze:
    """A resizing that a family does to every picture, whatever its shape.

    Attributes:
        width: In pixels, afterwards.
        height: In pixels, afterwards.
        resample: Pillow's filter.
    """

    width: int
    height: int
    resample: Resampling

    def __call__(self, picture: Image) -> Image:
        """Return the picture in the new size; a picture of that size stays as it is."""
        return picture.resize((self.width, self.height), self.resample)


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoded picture file.

    Attributes:
        pixels: Upright RGB image within the limits, resized if a ``Squeeze`` was given.
        warnings: What the sender should know about how the file was read.
        area: Pixels that were decoded, before any resizing.
        aspect: Width of the upright picture divided by its height, before any resizing.
    """

    pixels: Image
    warnings: tuple[str, ...]
    area: int
    aspect: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, which each stage adds to.

    Attributes:
        digest: SHA-256 of the encoded file, in hexadecimal; equal digests mean equal pictures. Empty until the file
            is identified.
        pixels: Upright RGB image within the limits; None until it is decoded.
        aspect: Width of the whole picture divided by its height, once it is decoded.
        features: The family's encoding of the pixels, if it is cached.
        warnings: What the sender should know about how the file was read; part of every reply about it.
        data: The encoded file.
    """

    digest: str = ""
    pixels: Image | None = None
    aspect: float = 1.0
    features: object = None
    warnings: tuple[str, ...] = ()
    data: bytes = b""
