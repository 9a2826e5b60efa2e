from __future__ import annotations

import pytest

from vqaserve.errors import BadRequest
from vqaserve.protocols.media_type import MediaType, decode_text


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("multipart/form-data; boundary=abc", MediaType("multipart/form-data", "abc")),
        ("Multipart/Form-Data;Boundary=aBc", MediaType("multipart/form-data", "aBc")),
        ('multipart/form-data; charset=utf-8 ; boundary="a b;c"', MediaType("multipart/form-data", "a b;c", "utf-8")),
        ("multipart/form-data; boundary==abc=; x=y", MediaType("multipart/form-data", "=abc=")),
        ("multipart/form-data; boundary*=us-ascii''a%3Db", MediaType("multipart/form-data", "a=b")),
        ("multipart/form-data; boundary=", MediaType("multipart/form-data", "")),
        ("multipart/form-data", MediaType("multipart/form-data")),
        ('application/json; CHARSET="UTF-16"', MediaType("application/json", charset="UTF-16")),
        (" image/png ", MediaType("image/png")),
        ("image", MediaType("image")),
        ("", MediaType("")),
    ],
)
def test_a_content_type_is_read_by_its_grammar(header: str, expected: MediaType):
    assert MediaType.of({"content-type": header}) == expected


@pytest.mark.parametrize(
    "name", ["application/json", "Application/JSON;charset=utf-8", "application/ld+json", "text/json"]
)
def test_every_type_that_is_written_in_json_is_json(name: str):
    assert MediaType.parse(name).is_json


@pytest.mark.parametrize("name", ["application/jsonp", "application/x-ndjson", "json", "image/png", ""])
def test_other_types_are_not_json(name: str):
    assert not MediaType.parse(name).is_json


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("", "utf-8"), ("UTF8", "utf-8-sig"), ("Latin1", "latin-1"), ("windows-1251", "cp1251"), ("GBK", "gbk")],
)
def test_text_is_decoded_with_the_charset_that_the_client_names(charset: str, codec: str):
    text = "цвет" if codec == "cp1251" else "颜色" if codec == "gbk" else "größe"
    assert decode_text(text.encode(codec), charset, "the body") == text


@pytest.mark.parametrize("charset", ["zip", "idna", "unicode_escape", "rot13", "klingon", "utf-7", "\0", "x" * 1000])
def test_a_codec_that_is_no_charset_is_refused(charset: str):
    with pytest.raises(BadRequest, match=r"the body has charset .* which is not supported; send UTF-8"):
        decode_text(b"what?", charset, "the body")


def test_bytes_of_another_charset_are_refused():
    with pytest.raises(BadRequest, match="the body is not UTF-8 text; send UTF-8, or name its charset"):
        decode_text("größe".encode("latin-1"), "", "the body")


@pytest.mark.parametrize("charset", ["undefined", "idna", "a\0b"])
def test_a_parameter_in_a_codec_of_pythons_that_is_no_charset_is_refused(charset: str):
    with pytest.raises(BadRequest, match="'charset' of content-type cannot be decoded"):
        MediaType.parse(f"application/json; charset*={charset}''%FF")
