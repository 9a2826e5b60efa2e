from __future__ import annotations

import pytest
from PIL import Image

from tests.support.pictures import encoded, saved
from vqaserve.errors import InvalidImage
from vqaserve.images import open_picture
from vqaserve.limits import Limits

LIMITS = Limits().pictures
OTHERS = {
    "a Windows icon (ICO)": encoded("blue", (32, 32), "ICO"),
    "a Netpbm picture (PPM)": encoded("blue", (32, 16), "PPM"),
    "a JPEG 2000 picture": encoded("blue", (32, 16), "JPEG2000"),
    "an AVIF picture": b"\0\0\0\x1cftypavif" + bytes(40),
    "a HEIC picture": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
    "a video": b"\0\0\0\x18ftypmp42" + bytes(40),
    "a PDF document": encoded("blue", (32, 16), "PDF"),
    "a PostScript file": encoded("blue", (32, 16), "EPS"),
    "an Apple icon (ICNS)": b"icns" + bytes(40),
    "a DirectDraw surface": encoded("blue", (32, 16), "DDS"),
    "a Photoshop document": b"8BPS\0\1" + bytes(40),
    "a web page": b"\n  <!DOCTYPE html><html><body>404</body></html>",
    "an SVG drawing": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn --><svg xmlns="http://www.w3.org/2000/svg"/>',
    "a ZIP archive": b"PK\3\4" + bytes(40),
    "a DICOM picture": bytes(128) + b"DICM" + bytes(40),
}


@pytest.mark.parametrize(("name", "file"), OTHERS.items())
def test_another_format_is_named_with_those_that_pass(name: str, file: bytes):
    with pytest.raises(InvalidImage) as raised:
        open_picture(file, LIMITS)
    allowed = "is not a JPEG, PNG, WEBP, GIF, BMP or TIFF file but"
    assert str(raised.value) == f"the picture ({len(file):,} bytes) {allowed} {name}; convert it to one of these"


@pytest.mark.parametrize("file", [b"hello", bytes(100), b"P", b"<p>", encoded("blue", (32, 16), "TGA")])
def test_a_file_that_nothing_is_known_of_is_refused_without_a_name(file: bytes):
    with pytest.raises(InvalidImage, match="or TIFF file; convert it to one of these"):
        open_picture(file, LIMITS)


@pytest.mark.parametrize("order", [b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"])
def test_a_tiff_of_a_header_alone_is_refused(order: bytes):
    with pytest.raises(InvalidImage):
        open_picture(order + b"\xff" * 12, LIMITS)


def test_a_jpeg_that_is_cut_off_in_its_header_is_not_taken_for_a_rare_kind():
    whole = saved(Image.new("RGB", (32, 16)), "JPEG")
    for end in range(2, whole.index(b"\xff\xda"), 7):
        with pytest.raises(InvalidImage, match=r"damaged or cut off|is not a JPEG"):
            open_picture(whole[:end], LIMITS)
