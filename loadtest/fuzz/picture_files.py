"""Picture files: small ones of every format, depth and colour model."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from io import BytesIO

from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from vqaserve.picture_formats import FORMATS

METADATA_BYTES = 1_000_000
_MIN_IS_WHITE = ImageFileDirectory_v2()
_MIN_IS_WHITE[262] = 0  # PhotometricInterpretation


@cache
def picture_files() -> tuple[bytes, ...]:
    """Return pictures of every format, mode and flavour; the same at each call."""
    generator = random.Random(0)
    noise = Image.frombytes("RGB", (48, 32), generator.randbytes(48 * 32 * 3))
    made = [_saved(noise, file_format) for file_format in FORMATS]
    made += [_saved(noise.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
    made += [_saved(noise.convert(mode), "TIFF") for mode in ("CMYK", "YCbCr", "L", "1")]
    made += [_saved(noise, "TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")]
    made += [_saved(noise, "JPEG", progressive=True), _saved(noise, "WEBP", lossless=True)]
    frames = [noise.rotate(90 * turn) for turn in range(3)]
    made += [_saved(noise, kind, save_all=True, append_images=frames) for kind in ("GIF", "WEBP", "PNG", "TIFF")]
    return (*made, *_deep_pictures(noise), *_pictures_with_metadata(noise))


def _deep_pictures(noise: Image.Image) -> Iterator[bytes]:
    """Yield pictures of other depths and colour models than 8-bit RGB."""
    grey = noise.convert("L")
    for mode in ("I;16", "I", "F", "LAB"):
        yield _saved(noise.convert(mode) if mode == "LAB" else grey.convert(mode), "TIFF")
    yield _saved(grey.convert("I;16"), "PNG", transparency=300)
    yield _saved(noise.convert("P"), "PNG", transparency=bytes(range(256)))
    yield _saved(noise, "PNG", transparency=(1, 2, 3))
    yield _saved(noise.convert("CMYK"), "JPEG")
    for mode in ("1", "L", "I;16"):
        yield _saved(grey.convert(mode), "TIFF", tiffinfo=_MIN_IS_WHITE)
    yield _saved(Image.new("RGB", (4000, 3000), "red"), "JPEG")  # as large as a phone's photograph


def _pictures_with_metadata(noise: Image.Image) -> Iterator[bytes]:
    """Yield pictures with large text, colour profiles and EXIF."""
    text = PngInfo()
    text.add_text("comment", "x" * METADATA_BYTES)
    compressed = PngInfo()
    compressed.add_itxt("comment", "x" * METADATA_BYTES, zip=True)
    yield _saved(noise, "PNG", pnginfo=text)
    yield _saved(noise, "PNG", pnginfo=compressed)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for file_format in ("PNG", "JPEG", "WEBP", "TIFF"):
        yield _saved(noise, file_format, icc_profile=profile)
        yield _saved(noise, file_format, icc_profile=bytes(60_000))
    exif = Image.Exif()
    exif[274], exif[270] = 6, "x" * 60_000  # orientation, description
    yield _saved(noise, "JPEG", exif=exif.tobytes(), comment=b"x" * 60_000)


def _saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
