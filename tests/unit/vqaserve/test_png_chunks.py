"""Metadata of a PNG costs nothing and refuses nothing; what changes its pixels stays."""

from __future__ import annotations

import time
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.support.bombs import png_chunk, png_of_profiles
from tests.support.pictures import animated, saved, triangle
from tests.support.profiles import SRGB, rgb_profile
from vqaserve.errors import InvalidImage
from vqaserve.images import open_picture
from vqaserve.limits import Limits
from vqaserve.png_chunks import CODE_POINTS_LEFT_OUT, PROFILE_LEFT_OUT, without_metadata

LIMITS = Limits().pictures
BARE = saved(triangle())
LONG = b"prompt and workflow " * 100_000
HEADER_ENDS = 33


def with_chunks(*chunks: bytes) -> bytes:
    return BARE[:HEADER_ENDS] + b"".join(chunks) + BARE[HEADER_ENDS:]


def damaged(chunk: bytes) -> bytes:
    """The chunk with another checksum."""
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


METADATA = {
    "packed text of 2 MB": png_chunk(b"zTXt", b"workflow\0\0" + zlib.compress(LONG)),
    "packed international text of 2 MB": png_chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(LONG)),
    "text of 2 MB": png_chunk(b"tEXt", b"prompt\0" + LONG),
    "text that does not unpack": png_chunk(b"zTXt", b"workflow\0\0no zlib"),
    "text without a keyword": png_chunk(b"tEXt", b""),
    "wrong checksum in a text": damaged(png_chunk(b"tEXt", b"a\0b")),
    "wrong checksum in a time": damaged(png_chunk(b"tIME", bytes(7))),
    "wrong checksum in EXIF": damaged(png_chunk(b"eXIf", b"II*\0")),
    "private chunk": png_chunk(b"vqAx", b"x" * 100_000),
    "chunk of an unknown kind without content": png_chunk(b"abCd", b""),
    "gamma that is cut off": png_chunk(b"gAMA", b"\0"),
    "resolution that is cut off": png_chunk(b"pHYs", b"\0"),
    "orientation text that is a bomb": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(10**8))),
    "raw profile that is a bomb": png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(10**8))),
    "many texts": png_chunk(b"tEXt", b"a\0b") * 10_000,
}


@pytest.mark.parametrize("chunk", METADATA.values(), ids=METADATA)
def test_metadata_does_not_matter(chunk: bytes):
    picture = open_picture(with_chunks(chunk), LIMITS)
    assert (picture.pixels.tobytes(), picture.warnings) == (triangle().tobytes(), ())


@pytest.mark.parametrize("chunk", METADATA.values(), ids=METADATA)
def test_metadata_behind_the_pixels_does_not_matter(chunk: bytes):
    end = BARE.index(b"IEND") - 4
    assert open_picture(BARE[:end] + chunk + BARE[end:], LIMITS).pixels.tobytes() == triangle().tobytes()


PROFILES = {
    "over a megabyte": png_chunk(b"iCCP", b"big\0\0" + zlib.compress(bytes(range(256)) * 5000)),
    "a bomb": png_chunk(b"iCCP", b"big\0\0" + zlib.compress(bytes(10**8))),
    "no zlib": png_chunk(b"iCCP", b"bad\0\0no zlib"),
    "cut off": png_chunk(b"iCCP", b"bad\0\0" + zlib.compress(rgb_profile())[:50]),
    "wrong checksum": damaged(png_chunk(b"iCCP", b"p3\0\0" + zlib.compress(rgb_profile()))),
    "empty": png_chunk(b"iCCP", b""),
}


@pytest.mark.parametrize("chunk", PROFILES.values(), ids=PROFILES)
def test_a_profile_that_cannot_be_unpacked_is_left_out_with_a_warning(chunk: bytes):
    picture = open_picture(with_chunks(chunk), LIMITS)
    assert (picture.pixels.tobytes(), picture.warnings) == (triangle().tobytes(), (PROFILE_LEFT_OUT,))


def test_thousands_of_profiles_cost_next_to_nothing():
    bomb = png_of_profiles(4_000)
    began = time.process_time()
    assert open_picture(bomb, LIMITS).pixels.size == (8, 8)
    assert time.process_time() - began < 1  # unpacking all of them takes several seconds


def gamma(value: int) -> bytes:
    return png_chunk(b"gAMA", value.to_bytes(4))


def test_a_gamma_far_from_srgb_is_not_applied_and_a_warning_says_so():
    picture = open_picture(with_chunks(gamma(100_000)), LIMITS)
    said = "the picture's gamma of 1 was not applied; its colours were taken for sRGB"
    assert (picture.pixels.tobytes(), picture.warnings) == (triangle().tobytes(), (said,))


@pytest.mark.parametrize(
    "chunks",
    [
        [gamma(45_455)],
        [gamma(0)],
        [gamma(100_000), png_chunk(b"sRGB", b"\0")],
        [png_chunk(b"iCCP", b"a\0\0" + zlib.compress(rgb_profile(SRGB))), gamma(100_000)],
    ],
    ids=["that of sRGB", "none", "beside sRGB", "beside a profile"],
)
def test_a_gamma_that_does_not_count_says_nothing(chunks: list[bytes]):
    picture = open_picture(with_chunks(*chunks), LIMITS)
    assert (picture.pixels.tobytes(), picture.warnings) == (triangle().tobytes(), ())


def test_bytes_behind_the_end_do_not_matter():
    assert open_picture(BARE + b"\0" * 5000, LIMITS).pixels.tobytes() == triangle().tobytes()


def test_a_file_without_metadata_stays_as_it_is():
    assert without_metadata(BARE) == (BARE, ())


@pytest.mark.parametrize("end", [10, 40, len(BARE) // 2, len(BARE) - 20])
def test_a_file_that_is_cut_off_is_refused(end: int):
    with pytest.raises(InvalidImage, match=r"damaged or cut off|is not a JPEG"):
        open_picture(BARE[:end], LIMITS)


def test_a_wrong_checksum_of_the_header_is_damage():
    wrong = BARE[: HEADER_ENDS - 1] + bytes([BARE[HEADER_ENDS - 1] ^ 1]) + BARE[HEADER_ENDS:]
    with pytest.raises(InvalidImage):
        open_picture(wrong, LIMITS)


def test_frames_are_still_counted():
    assert len(open_picture(animated("red", "PNG"), LIMITS).warnings) == 1
    assert open_picture(saved(triangle(), save_all=True), LIMITS).warnings == ()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x927C] = bytes(50_000)  # a maker's note
    return tags


def packed_exif() -> PngInfo:
    """As ImageMagick wrote it before there was a chunk for it."""
    content = exif(6).tobytes()
    text = f"\nexif\n{len(content):8}\n" + content.hex()
    info = PngInfo()
    info.add_text("Raw profile type exif", text, zip=True)
    return info


def xmp(packed: bool) -> PngInfo:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=packed)
    return info


@pytest.mark.parametrize(
    "options",
    [{"exif": exif(6)}, {"pnginfo": xmp(False)}, {"pnginfo": xmp(True)}, {"pnginfo": packed_exif()}],
    ids=["EXIF", "XMP", "packed XMP", "raw profile"],
)
def test_the_orientation_of_a_png_is_applied(options: dict):
    upright = triangle().transpose(Image.Transpose.ROTATE_270)
    assert open_picture(saved(triangle(), **options), LIMITS).pixels.tobytes() == upright.tobytes()


@pytest.mark.parametrize(
    ("code_points", "warned"), [((1, 13, 0, 1), False), ((9, 16, 0, 1), True), ((12, 13, 0, 1), True)]
)
def test_a_colour_space_by_code_points_is_named_where_it_is_not_srgb(code_points: tuple[int, ...], warned: bool):
    data = with_chunks(png_chunk(b"cICP", bytes(code_points)))
    assert without_metadata(data) == (BARE, (CODE_POINTS_LEFT_OUT,) if warned else ())
