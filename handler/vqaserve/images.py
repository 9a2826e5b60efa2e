"""Bytes from a stranger -> one upright RGB picture within the limits, or a clear refusal."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError

from vqaserve.errors import InvalidImage
from vqaserve.types import Opened, Squeeze

if TYPE_CHECKING:  # the process that decodes (decoding_process.py) starts without pydantic
    from vqaserve.settings import Limits

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's other decoders (PDF, EPS, FITS, ...) never see a byte."""

_SEVERAL_FRAMES = "the picture has several frames or pages; only the first was used"


_SPARE = 2
"""Times the size it is squeezed to that a photograph is decoded at least: what is thrown away before hardly shows
(Pillow's own ``thumbnail`` leaves as much)."""


def open_picture(data: bytes, limits: Limits, pixels_left: int | None = None, squeeze: Squeeze | None = None) -> Opened:
    """Decode a picture file; of an animated one, the first frame.

    Args:
        data: The file.
        limits: What a client may send.
        pixels_left: What is left of the request's ``max_request_pixels``; None for a picture by itself.
        squeeze: What is done to the picture at last. A JPEG of several times that size is decoded at a half, a quarter
            or an eighth of its own, which takes a fraction of the time.

    The size is checked from the header, before any pixel is decoded. EXIF orientation is applied, and
    transparency is laid on white, which is what the sender saw.

    Raises:
        InvalidImage: Empty, of a format that is not allowed, damaged, or over a limit.
    """
    check_bytes(data, limits)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(image, limits, pixels_left)
            area = image.width * image.height
            warnings = (_SEVERAL_FRAMES,) if _has_more_frames(image) else ()
            if squeeze:
                side = _SPARE * max(squeeze.width, squeeze.height)  # whichever way it will be turned
                image.draft(None, (side, side))
            pixels = _rgb(_upright(image))
            if squeeze:
                pixels = squeeze(pixels)
    except (InvalidImage, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InvalidImage(
            f"the picture ({len(data):,} bytes) is not a {_allowed()} file; convert it to one of these"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidImage(f"the picture is too large to decode safely ({error}); scale it down") from None
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise InvalidImage(
            f"the picture ({len(data):,} bytes) is damaged or cut off and cannot be decoded; send it again whole"
        ) from error
    return Opened(pixels, warnings, area)


def check_bytes(data: bytes, limits: Limits) -> None:
    """Refuse a file by its size.

    Raises:
        InvalidImage: It is empty, or has more than ``max_image_bytes``.
    """
    if not data:
        raise InvalidImage(f"the picture is empty (0 bytes); send a {_allowed()} file")
    if len(data) > limits.max_image_bytes:
        raise InvalidImage(
            f"the picture has {len(data):,} bytes; at most {limits.max_image_bytes:,} are allowed: "
            "send it smaller or with stronger compression"
        )


def _allowed() -> str:
    return ", ".join(FORMATS[:-1]) + " or " + FORMATS[-1]


def _check_size(image: Image.Image, limits: Limits, pixels_left: int | None) -> None:
    if image.width * image.height > limits.max_image_pixels:
        raise InvalidImage(
            f"the picture is {image.width} x {image.height} = {image.width * image.height:,} pixels; "
            f"at most {limits.max_image_pixels:,} are allowed: scale it down"
        )
    if pixels_left is not None and image.width * image.height > pixels_left:
        raise InvalidImage(
            f"the request's pictures have more than {limits.max_request_pixels:,} pixels together; "
            "send fewer at once, or smaller ones"
        )


def _has_more_frames(image: Image.Image) -> bool:
    """Whether more than one picture was meant to be seen; phones hide thumbnails and depth maps in JPEG (MPO)."""
    if image.format not in FORMATS:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - the second frame is damaged, which is no reason to refuse the first
        return True


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; odd EXIF beside that is no reason to refuse a whole picture."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - rewriting the rest of the EXIF fails on tags of unexpected types
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        image.load()
        return image
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode.startswith("I;16"):
        # 16-bit grey: Pillow's own conversion to 8 bits clips at 255 instead of scaling.
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    return image.convert("RGB")
