"""What arrives in place of a picture, of JSON, of a coding or of a number is named for what it is."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import VqaError
from vqaserve.exchange import Exchange
from vqaserve.protocols.picture_text import read_file, read_picture
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Request

PNG = encoded()
B64 = as_base64(PNG)
FILE = bytes(range(256)) + b"\xff\xfb\xef\xbe\xfb"
PLUS = base64.b64encode(FILE).decode()
SETTINGS = HandlerSettings(version="1.0.0", family="dummy")
JSON = "application/json"
PAIR = {"image": B64, "question": "what?"}


def items(body: bytes, content_type: str = JSON, **headers: str) -> tuple[Item, ...]:
    names = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    exchange = Exchange.parse(Request("id", {"body": body}, names), SETTINGS)
    return (Item("id", error=exchange.refused),) if exchange.refused else exchange.items


def message(body: bytes, content_type: str = JSON, **headers: str) -> str:
    error = items(body, content_type, **headers)[0].error
    assert error is not None
    return str(error)


@pytest.mark.parametrize("unseen", ["\ufeff", "\u200b", "\u00a0", "\u00ad", "\u2060"])
def test_invisible_characters_in_base64_are_passed_over(unseen: str):
    text = unseen + PLUS[:40] + unseen + PLUS[40:]
    assert read_picture(text) == FILE
    assert read_file(text.encode()) == FILE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("photo.jpg", "a file's name"),
        ("@my photo.png", "a file's name"),
        ("C:\\Users\\me\\x.png", "a file's name"),
        ("undefined", "the word 'undefined'"),
        ("null", "the word 'null'"),
        ("[object File]", "as a program writes an object"),
        ("<html><body>", "a web page"),
        ('{"a": 1}', "JSON text"),
        ("b'iVBO'", "Python's repr"),
        ("www.example.org/x.png", "without https://"),
    ],
)
def test_a_text_in_place_of_a_picture_is_named(text: str, named: str):
    with pytest.raises(VqaError, match=named):
        read_picture(text)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (PNG, "a PNG file"),
        (b"\xff\xd8\xff\xe0rest", "a JPEG file"),
        (urlencode(PAIR).encode(), "a URL-encoded form"),
        (b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n1\r\n--x--', "the body is a form"),
        (B64.encode(), "a picture's text"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x8b\x02\x80\xff\x03", "binary data of an unknown kind"),
    ],
)
def test_what_is_declared_as_json_and_is_not_is_named(body: bytes, named: str):
    assert named in message(body)


@pytest.mark.parametrize(
    ("coding", "named"),
    [
        ("utf-8", "is a charset"),
        ("none", "not a content coding"),
        ("br", "compressed"),
        ("base64", "transfer encoding"),
    ],
)
def test_a_content_encoding_that_is_not_read_is_named(coding: str, named: str):
    assert named in message(json.dumps(PAIR).encode(), content_encoding=coding)


@pytest.mark.parametrize("number", ["true", "false", "1e400", "NaN", "-Infinity"])
@pytest.mark.parametrize("name", ["top_k", "temperature", "max_new_tokens"])
def test_what_is_no_number_is_refused_as_a_parameter(number: str, name: str):
    body = json.dumps(PAIR).replace("}", f', "{name}": {number}}}')
    assert items(body.encode())[0].error is not None
