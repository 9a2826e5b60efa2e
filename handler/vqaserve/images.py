"""Picture files from clients -> one upright 8-bit sRGB picture within the limits, or a refusal."""

from __future__ import annotations

from io import BytesIO
from warnings import catch_warnings

from PIL import Image, UnidentifiedImageError

from vqaserve import png_chunks
from vqaserve.colours import WHAT_PASSES, eight_bit, to_srgb
from vqaserve.errors import InvalidImage
from vqaserve.mistaken_pictures import name_mistake
from vqaserve.picture_formats import FORMATS, list_formats, name_format, unsupported_kind
from vqaserve.pictures import Opened, PictureLimits, Squeeze
from vqaserve.transparency import opacity_of

SEVERAL_FRAMES = "the picture has several frames or pages; only the first was used"
LAID_ON_WHITE = "the picture has transparent pixels; it was laid on white"

_SPARE = 2
"""A JPEG is decoded at no less than this many times the size that it is resized to, as Pillow's ``thumbnail`` does."""

_FRACTIONS = (1, 2, 4, 8)
"""Divisors of the width and height that a JPEG can be decoded at."""

_SRGB_GAMMA = 1 / 2.2
_GAMMA_TOLERANCE = 0.05

_LONGEST_MISTAKE = 2048

_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_picture(
    data: bytes, limits: PictureLimits, pixels_left: int | None = None, squeeze: Squeeze | None = None
) -> Opened:
    """Decode a picture file; the first frame of an animation, the first page of a document.

    The size is checked before any pixel is decoded. A JPEG is decoded at a half, a quarter or an eighth of its width
    and height where that is enough for ``squeeze``, or where the whole would exceed ``max_image_pixels``. Transparent
    pixels are laid on white, the colour profile is converted to sRGB, and the EXIF orientation is applied.

    Args:
        data: The file.
        limits: The largest file and picture.
        pixels_left: Pixels left of the request's ``max_request_pixels``; None for a picture by itself.
        squeeze: The resizing to apply last.

    Raises:
        InvalidImage: The file is empty, damaged or over a limit, or its format or kind of pixels is not supported.
    """
    check_bytes(data, limits)
    try:
        bare, warnings = png_chunks.without_metadata(data) if data.startswith(png_chunks.SIGNATURE) else (data, ())
        with (
            catch_warnings(action="ignore", category=UserWarning),  # of damaged metadata
            Image.open(BytesIO(bare), formats=FORMATS) as image,
        ):
            whole = image.size
            fraction = _fraction(image, limits, squeeze)
            image.draft(None, (image.width // fraction, image.height // fraction))
            _check_size(image, whole, limits, pixels_left)
            area = image.width * image.height
            if has_more_frames(image):
                warnings += (SEVERAL_FRAMES,)
            if not squeeze and image.size != whole:
                warnings += (f"the picture was decoded at {image.width} x {image.height}, 1/{fraction} of its size",)
            pixels, more = to_upright_srgb(image, bare)
    except (InvalidImage, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InvalidImage(_unidentified(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidImage(f"the picture is too large to decode safely ({error}); scale it down") from None
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise InvalidImage(_undecodable(data)) from error
    aspect = pixels.width / pixels.height
    return Opened(squeeze(pixels) if squeeze else pixels, (*warnings, *more), area, aspect)


def check_bytes(data: bytes, limits: PictureLimits) -> None:
    """Refuse a file by its size.

    Raises:
        InvalidImage: The file is empty, or has more than ``max_image_bytes``.
    """
    if not data:
        raise InvalidImage(f"the picture is empty (0 bytes); send a {list_formats()} file")
    if len(data) > limits.max_image_bytes:
        raise InvalidImage(
            f"the picture has {len(data):,} bytes; at most {limits.max_image_bytes:,} are allowed: "
            "scale it down or compress it more"
        )


def _fraction(image: Image.Image, limits: PictureLimits, squeeze: Squeeze | None) -> int:
    """The divisor of width and height to decode at: the least that keeps the limit, more if ``squeeze`` wants less."""
    if image.format not in ("JPEG", "MPO"):
        return 1
    least = next((one for one in _FRACTIONS if _area(image, one) <= limits.max_image_pixels), _FRACTIONS[-1])
    if not squeeze:
        return least
    side = _SPARE * max(squeeze.width, squeeze.height)  # whichever way the picture will be turned
    enough = [one for one in _FRACTIONS if min(image.size) >= one * side]
    return max([least, *enough])


def _area(image: Image.Image, fraction: int) -> int:
    """Pixels of a picture that is decoded at a fraction; libjpeg rounds its width and height up."""
    return -(-image.width // fraction) * -(-image.height // fraction)


def _check_size(image: Image.Image, whole: tuple[int, int], limits: PictureLimits, pixels_left: int | None) -> None:
    width, height = whole
    allowed = f"at most {limits.max_image_pixels:,} are allowed, {limits.max_jpeg_pixels:,} in a JPEG: scale it down"
    is_jpeg = image.format in ("JPEG", "MPO")
    if image.width * image.height > limits.max_image_pixels or (is_jpeg and width * height > limits.max_jpeg_pixels):
        raise InvalidImage(f"the picture is {width} x {height} = {width * height:,} pixels; {allowed}")
    if pixels_left is not None and image.width * image.height > pixels_left:
        raise InvalidImage(
            f"the request's pictures have more than {limits.max_request_pixels:,} pixels together; "
            "send fewer pictures at once, or smaller ones"
        )


def has_more_frames(image: Image.Image) -> bool:
    """Whether a viewer shows more than one picture; thumbnails and depth maps in a phone's JPEG (MPO) do not count."""
    if image.format not in FORMATS:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - the second frame is damaged; the first can still be used
        return True


def to_upright_srgb(image: Image.Image, data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode an opened picture to upright 8-bit sRGB.

    Args:
        image: The picture; of several frames, the one that it is at.
        data: Its file.

    Returns:
        Mode ``RGB``, and warnings for the sender.

    Raises:
        InvalidImage: The range of its values is not known.
    """
    rawmode = _rawmode(image)
    profile = image.info.get("icc_profile")
    image.load()
    opacity = opacity_of(image, rawmode, data)
    plain, depth_warnings = eight_bit(image)
    pixels, colour_warnings = to_srgb(plain, profile)
    warnings = (*depth_warnings, *colour_warnings, *_gamma_warnings(image))
    if opacity:
        pixels = Image.composite(pixels, Image.new("RGB", pixels.size, "white"), opacity)
        warnings += (LAID_ON_WHITE,)
    turn = _TURNS.get(_orientation(image))
    return pixels.transpose(turn) if turn is not None else pixels, warnings


def _rawmode(image: Image.Image) -> str:
    """How Pillow will unpack the pixels of a PNG, such as ``L;4`` for 4-bit grey."""
    tiles = getattr(image, "tile", ())
    return tiles[0].args if tiles and isinstance(tiles[0].args, str) else ""


def _gamma_warnings(image: Image.Image) -> tuple[str, ...]:
    """Viewers differ in whether they apply a PNG's gamma; it is ignored here, as by Pillow, and a warning says so."""
    gamma, known = image.info.get("gamma"), {"srgb", "icc_profile"} & image.info.keys()
    if not gamma or known or abs(gamma - _SRGB_GAMMA) < _GAMMA_TOLERANCE:
        return ()
    return (f"the picture's gamma of {gamma:g} was not applied; its colours were taken for sRGB",)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - damaged EXIF is no reason to refuse a whole picture
        return 1


def _unidentified(data: bytes) -> str:
    name = name_format(data)
    if not name and (mistake := name_mistake(data[:_LONGEST_MISTAKE].decode("utf-8", "replace"))):
        return f"the picture is {mistake}"
    but = f" but {name}" if name else ""
    return _unsupported(data) or f"{_sized(data)} is not a {list_formats()} file{but}; convert it to one of these"


def _undecodable(data: bytes) -> str:
    return _unsupported(data) or f"{_sized(data)} is damaged or cut off and cannot be decoded; send it again whole"


def _unsupported(data: bytes) -> str | None:
    kind = unsupported_kind(data)
    return f"the picture is {kind}, which cannot be read; {WHAT_PASSES}" if kind else None


def _sized(data: bytes) -> str:
    return f"the picture ({len(data):,} bytes)"
