"""Base64 and data URIs as clients really write them."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from vqaserve.errors import InvalidImage
from vqaserve.protocols.picture_text import read_file, read_picture
from vqaserve.types import RemoteImage

FILE = bytes(range(256)) + b"\xff"
"""Its base64 has all letters of the alphabet, and padding."""

B64 = base64.b64encode(FILE).decode()
SAFE = base64.urlsafe_b64encode(FILE).decode()
LINES = base64.encodebytes(FILE).decode()


@pytest.mark.parametrize(
    "text",
    [
        B64,
        SAFE,
        B64.rstrip("="),
        SAFE.rstrip("="),
        LINES,
        LINES.replace("\n", "\r\n"),
        LINES.rstrip().rstrip("="),
        f"\n\t {B64} \n",
        B64[:40] + "\t\f " + B64[40:],
        f"data:image/png;base64,{B64}",
        f"data:;base64,{B64}",
        f"data:base64;base64,{B64}",
        f"data:image/png;charset=utf-8;name=my%20photo.png;base64,{B64}",
        f'data:image/png;name="a;b.png";base64,{B64}',
        f"DATA:IMAGE/PNG;BASE64,{B64}",
        f"Data:image/png; Base64 ,{SAFE}",
        f" data:image/png;base64,\r\n{LINES}",
        f"data:image/png;base64,{quote(B64, safe='')}",
        f"data:image/png;base64,{quote(LINES)}",
        f"data:image%2Fpng;base64,{B64}",
        f"data:application/octet-stream,{quote(FILE)}",
        f"data:,{quote(FILE)}",
    ],
)
def test_every_spelling_of_a_files_base64_or_data_uri_is_that_file(text: str):
    assert read_picture(text) == FILE
    assert read_picture(text.encode()) == FILE


@pytest.mark.parametrize(
    "url",
    ["https://images.example.org/x.png", "HTTP://images.example.org/x,y.png", "ftp://host/x", "file:///etc/passwd"],
)
def test_a_url_is_passed_on_to_be_fetched_or_refused(url: str):
    assert read_picture(f" {url}\n") == RemoteImage(url)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"b'{B64}'", "not base64"),
        ("photos/cat.jpg", "a file's name, 'photos/cat.jpg'"),
        ("größe", "not base64"),
        ("***", "not base64"),
        (B64[:-1] + "=" * 3, "not base64"),
        (B64[:10] + "=" + B64[10:], "not base64"),
        (B64.rstrip("=")[:41], "it is cut off, or its '\\+' became blanks in a URL"),
        ("data:image/png;base64", "no comma before its data"),
        ("data:" + "x" * 5000 + ",", "no comma before its data"),
        ("data:image/png;base64,***", "not base64"),
        ("data:image/png;base64,%%%", "not base64"),
    ],
)
def test_text_that_is_not_base64_and_not_a_data_uri_is_refused(text: str, message: str):
    with pytest.raises(InvalidImage, match=message):
        read_picture(text)


@pytest.mark.parametrize("text", [B64, LINES, SAFE, f"Data:image/png;base64,{B64}", f"\n{B64}"])
def test_a_file_that_holds_a_pictures_base64_is_that_picture(text: str):
    assert read_file(text.encode()) == FILE


@pytest.mark.parametrize(
    "file", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a\x01\0", b"BM" + bytes(60), b"no picture"]
)
def test_any_other_file_is_taken_as_it_is(file: bytes):
    assert read_file(file) == file
