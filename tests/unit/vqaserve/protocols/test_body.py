"""A request's body is read by its headers and its first bytes, the same in every format."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, UnsupportedMediaType, VqaError
from vqaserve.protocols import find_protocol
from vqaserve.protocols.body import read_body
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query, Request

PNG = encoded()
B64 = as_base64(PNG)
CONTENT = {"image": B64, "question": "größe?"}
JSON = json.dumps(CONTENT, ensure_ascii=False)
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="question"\r\n\r\nwhat?\r\n'
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + PNG + b"\r\n--b--\r\n"
)
SETTINGS = HandlerSettings(version="1.0.0", family="dummy")


def request(body: object, content_type: str = "", encoding: str = "", **fields: object) -> Request:
    headers = {"content-type": content_type, "content-encoding": encoding}
    return Request("id", {**fields, "body": body}, {name: value for name, value in headers.items() if value})


def parse(given: Request) -> list[Query | VqaError]:
    read = read_body(given)
    return list(find_protocol(read).parse(read, SETTINGS))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (JSON.encode(), "application/json"),
        (JSON.encode(), "Application/JSON; Charset=UTF-8"),
        (JSON.encode(), "application/vnd.api+json"),
        (JSON.encode(), "text/plain"),
        (JSON.encode(), "application/octet-stream"),
        (JSON.encode(), "application/x-www-form-urlencoded"),
        (JSON.encode(), ""),
        (bytearray(JSON, "utf-8"), ""),
        (JSON, "text/plain"),
        (b"\r\n " + JSON.encode(), ""),
        (JSON.encode("utf-8-sig"), ""),
        (JSON.encode("utf-8-sig"), "application/json"),
        (JSON.encode("utf-16"), "application/json"),
        (JSON.encode("utf-16"), ""),
        (JSON.encode("utf-16-le"), "application/json; charset=utf-16le"),
        (JSON.encode("utf-16-be"), "application/json; charset=utf-16"),
        (JSON.encode("latin-1"), 'application/json; charset="ISO-8859-1"'),
        (JSON.encode("cp1252"), "application/json;charset=windows-1252"),
    ],
)
def test_json_is_read_under_any_type_and_in_its_charset(body: object, content_type: str):
    assert parse(request(body, content_type)) == [Query(PNG, "größe?")]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=b",
        "Multipart/Form-Data; Boundary=b",
        'multipart/form-data; charset=utf-8; boundary="b"',
    ],
)
def test_a_multipart_form_is_read(content_type: str):
    assert parse(request(FORM, content_type)) == [Query(PNG, "what?")]


@pytest.mark.parametrize("preamble", [b"{}", b"[a preamble]", b"\r\n {"])
def test_a_preamble_that_looks_like_json_is_passed_over(preamble: bytes):
    assert parse(request(preamble + b"\r\n" + FORM, "multipart/form-data; boundary=b")) == [Query(PNG, "what?")]


def test_json_under_a_forms_type_without_a_boundary_is_read():
    assert parse(request(JSON.encode(), "multipart/form-data")) == [Query(PNG, "größe?")]


def test_an_url_encoded_form_is_read():
    body = b"question=what%3F&image=data%3Aimage%2Fpng%3Bbase64%2C" + B64.replace("+", "%2B").encode()
    assert parse(request(body, "application/x-www-form-urlencoded; charset=UTF-8")) == [Query(PNG, "what?")]


@pytest.mark.parametrize(
    "content_type", ["image/png", "application/octet-stream", "application/x-www-form-urlencoded", ""]
)
def test_a_raw_picture_is_the_picture(content_type: str):
    assert parse(request(PNG, content_type, question=b"what?")) == [Query(PNG, "what?")]


def test_the_base64_of_a_raw_picture_is_the_picture_too():
    assert parse(request(B64.encode(), "text/plain", question=b"what?")) == [Query(PNG, "what?")]


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("Deflate", zlib.compress)])
@pytest.mark.parametrize(
    ("body", "content_type", "question"),
    [
        (JSON.encode(), "application/json", "größe?"),
        (FORM, "multipart/form-data; boundary=b", "what?"),
        (JSON.encode("utf-16"), "application/json", "größe?"),
        (json.dumps({"inputs": CONTENT}).encode(), "application/json", "größe?"),
        (json.dumps({"instances": [CONTENT]}).encode(), "application/json", "größe?"),
    ],
)
def test_a_compressed_body_is_read_in_every_format(encoding: str, pack, body: bytes, content_type: str, question: str):
    assert parse(request(pack(body), content_type, encoding)) == [Query(PNG, question)]


def test_a_compressed_body_of_the_binary_extension_is_read():
    image = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(PNG) + 4}}
    question = {"name": "question", "shape": [1], "datatype": "BYTES", "data": ["q"]}
    head = json.dumps({"inputs": [question, image]}).encode()
    body = gzip.compress(head + len(PNG).to_bytes(4, "little") + PNG)
    headers = {"inference-header-content-length": str(len(head)), "content-encoding": "gzip"}
    assert parse(Request("id", {"body": body}, headers)) == [Query(PNG, "q")]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (request(FORM, "multipart/form-data"), BadRequest, "has no boundary; .* boundary=b"),
        (request(FORM, "multipart/form-data; boundary="), BadRequest, "has no boundary"),
        (request(FORM, "multipart/form-data; boundary=c"), BadRequest, "does not contain the boundary 'c'"),
        (
            request(FORM, "image/png"),
            BadRequest,
            "the body is a form, but its Content-Type is 'image/png'; .*boundary=b",
        ),
        (request(FORM, "application/x-www-form-urlencoded"), BadRequest, "the body is a form, but"),
        (request(FORM), BadRequest, "its Content-Type is 'missing'; send multipart/form-data; boundary=b"),
        (request(FORM, "multipart/mixed; boundary=b"), BadRequest, "its Content-Type is 'multipart/mixed'"),
        (request(b"what?", "text/plain"), BadRequest, "the body is text; send one JSON object, or a form"),
        (request(b"{'image': 1}", "application/json"), BadRequest, "the body is not JSON"),
        (request(JSON.encode("latin-1"), "application/json"), BadRequest, "the body is not UTF-8 text; send UTF-8"),
        (request(JSON.encode(), "application/json; charset=zip"), BadRequest, "charset 'zip', which is not supported"),
        (request(b'{"question": "a", "question": "b"}'), BadRequest, "the name 'question' occurs more than once"),
        (
            request(gzip.compress(JSON.encode()), "application/json"),
            BadRequest,
            "gzip data, but there is no Content-Enc",
        ),
        (
            request(gzip.compress(PNG), "image/png", question=b"q"),
            BadRequest,
            "gzip data, but there is no Content-Encod",
        ),
        (request(b'"what?"', "application/json"), BadRequest, "the body is a string; send one JSON object"),
        (request(b"7", "application/json"), BadRequest, "the body is a number; send one JSON object"),
        (request(PNG, "image/png", "br"), UnsupportedMediaType, "Content-Encoding 'br'; send gzip"),
        (request(JSON.encode(), "application/json", "gzip"), BadRequest, "not gzip data, as Content-Encoding says"),
        (Request("id", {}, {"content-encoding": "gzip"}), UnsupportedMediaType, "the form is compressed"),
        (
            Request("id", {"image": PNG}, repeated=("image",)),
            BadRequest,
            "more than one value for the field 'image'",
        ),
        (request(FORM, "multipart/form-data; boundary=b", question="q"), BadRequest, "value for the field 'question'"),
        (request(JSON.encode(), question="q"), BadRequest, "'question' is in the query string and in the body"),
    ],
)
def test_a_body_that_is_not_what_its_headers_say_is_refused(given: Request, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse(given)
