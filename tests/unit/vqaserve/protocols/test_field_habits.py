"""Habits of clients in the field: each gets its answer, or is told what arrived."""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import pytest
from PIL import Image

from tests.support.pictures import as_base64, encoded, saved
from vqaserve.errors import BadRequest, InvalidQuestion, VqaError
from vqaserve.protocols import find_protocol
from vqaserve.protocols.body import read_body
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query, Request

PNG = encoded()
B64 = as_base64(PNG)
JPEG = saved(Image.effect_noise((64, 48), 90).convert("RGB"), "JPEG")
SETTINGS = HandlerSettings(version="1.0.0", family="dummy")
JSON = "application/json"
URL_ENCODED = "application/x-www-form-urlencoded"


def parse(body: object, kind: str = "", **headers: str) -> Sequence[Query | VqaError]:
    request = read_body(Request("id", {"body": body}, {"content-type": kind, **headers}))
    return find_protocol(request).parse(request, SETTINGS)


def form(**fields: bytes) -> Sequence[Query | VqaError]:
    request = Request("id", fields)
    return find_protocol(request).parse(request, SETTINGS)


PLUS = {
    "base64": as_base64(JPEG),
    "a data URI": "data:image/jpeg;base64," + as_base64(JPEG),
}


@pytest.mark.parametrize("name", ["image", "data"])
@pytest.mark.parametrize("value", PLUS.values(), ids=PLUS)
def test_a_plus_of_base64_survives_a_form_that_did_not_encode_it(value: str, name: str):
    assert "+" in value
    body = f"{name}={value}&question=what+is+it".encode()
    assert parse(body, URL_ENCODED) == [Query(JPEG, "what is it")]
    encoded_body = f"{name}={quote(value, safe='')}&question=what+is+it".encode()
    assert parse(encoded_body, URL_ENCODED) == [Query(JPEG, "what is it")]


def test_a_question_of_a_form_keeps_its_blanks():
    body = f"image={quote(B64)}&question=what+colour+is+the+big+table+here".encode()
    assert parse(body, URL_ENCODED) == [Query(PNG, "what colour is the big table here")]


COPIED = {
    "a byte order mark": "\ufeff" + B64,
    "zero-width spaces": B64[:20] + "\u200b" + B64[20:] + "\u200b",
    "no-break spaces": B64[:20] + "\u00a0" + B64[20:],
    "soft hyphens": B64[:20] + "\u00ad" + B64[20:],
    "a word joiner": B64[:40] + "\u2060" + B64[40:],
    "a data URI without ;base64": "data:image/png," + B64,
}


@pytest.mark.parametrize("text", COPIED.values(), ids=COPIED)
def test_base64_that_was_copied_with_invisible_characters_is_read(text: str):
    assert parse(json.dumps({"image": text, "question": "q"}).encode(), JSON) == [Query(PNG, "q")]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-8"])
def test_base64_in_a_text_file_is_read(codec: str):
    assert form(image=(B64 + "\n").encode(codec), question=b"q") == [Query(PNG, "q")]


COMPRESSED = {
    "zlib": (zlib.compress(b'{"a": 1}'), "zlib data.*Content-Encoding: deflate"),
    "bzip2": (bz2.compress(b'{"a": 1}'), "bzip2 data.*compress it with gzip, or not at all"),
    "xz": (lzma.compress(b'{"a": 1}'), "xz data"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "zstd data"),
    "gzip": (zlib.compress(b"{}", wbits=31), "gzip data.*Content-Encoding: gzip"),
}


@pytest.mark.parametrize(("body", "message"), COMPRESSED.values(), ids=COMPRESSED)
@pytest.mark.parametrize("kind", [JSON, "", "application/octet-stream"])
def test_a_compressed_body_without_its_header_is_called_compressed(body: bytes, message: str, kind: str):
    with pytest.raises(BadRequest, match=f"the body is {message}"):
        parse(body, kind)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "gzip;q=1", "identity, gzip", " gzip ,"])
def test_a_content_coding_is_read_by_its_grammar(coding: str):
    body = zlib.compress(json.dumps({"image": B64, "question": "q"}).encode(), wbits=31)
    assert parse(body, JSON, **{"content-encoding": coding}) == [Query(PNG, "q")]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_json_without_a_content_type_is_read_in_every_encoding(codec: str):
    body = json.dumps({"image": B64, "question": "größe?"}, ensure_ascii=False).encode(codec)
    assert parse(body) == [Query(PNG, "größe?")]


BOOLEANS: dict[str, Mapping[str, object]] = {
    "JSON": {"image": B64, "question": "q", "top_k": True},
    "a length": {"image": B64, "question": "q", "max_new_tokens": True},
    "a temperature": {"image": B64, "question": "q", "temperature": False},
    "Hugging Face": {"inputs": B64, "question": "q", "parameters": {"top_k": True}},
    "KServe v1": {"instances": [{"image": B64, "question": "q"}], "parameters": {"top_k": True}},
}


@pytest.mark.parametrize("body", BOOLEANS.values(), ids=BOOLEANS)
def test_a_boolean_is_no_number(body: dict[str, object]):
    with pytest.raises(BadRequest, match="a boolean is no number"):
        parse(body)


def test_null_beside_a_query_parameter_was_not_sent():
    request = Request("id", {"top_k": "3", "body": {"image": B64, "question": "q", "top_k": None}})
    assert find_protocol(request).parse(request, SETTINGS) == [Query(PNG, "q", 3)]


def test_an_instances_parameters_are_added_to_the_shared_ones():
    instances = [{"image": B64, "question": "q", "parameters": {"top_k": 2}}, {"image": B64, "question": "q"}]
    body = {"instances": instances, "parameters": {"top_k": 5, "max_new_tokens": 7}}
    first, second = parse(body)
    assert isinstance(first, Query)
    assert isinstance(second, Query)
    assert (first.top_k, first.parameters) == (2, {"max_new_tokens": 7})
    assert (second.top_k, second.parameters) == (5, {"max_new_tokens": 7})


def test_an_empty_list_of_inputs_is_answered_in_its_formats_words():
    with pytest.raises(InvalidQuestion, match="the request has 0 questions"):
        parse({"inputs": []})


def test_a_body_of_null_is_named():
    with pytest.raises(BadRequest, match="the body is null; send one JSON object"):
        parse(b"null", JSON)


HINTS = {
    "image_base64": "did you mean 'image'",
    "b64": "did you mean 'image'",
    "url": "did you mean 'image_url'",
    "topk": "did you mean 'top_k'",
    "prompt": "did you mean 'question'",
    "captions": "did you mean 'labels'",
}


@pytest.mark.parametrize(("name", "hint"), HINTS.items(), ids=HINTS)
def test_another_servers_name_of_a_field_is_answered_with_ours(name: str, hint: str):
    with pytest.raises(BadRequest, match=f"unknown field {name!r}; {hint}"):
        parse({"image": B64, "question": "q", name: "x"})
