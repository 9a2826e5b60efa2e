from __future__ import annotations

import json

import pytest

from vqaserve.errors import BadRequest
from vqaserve.protocols.json_text import parse_json

VALUE = {"question": "größe 颜色?"}
TEXT = json.dumps(VALUE, ensure_ascii=False)


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_json_is_read_in_every_encoding_of_unicode(codec: str):
    assert parse_json(TEXT.encode(codec)) == VALUE


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-16", "utf-16"),
        ("UTF-16LE", "utf-16-le"),
        ("utf-8", "utf-8-sig"),
        ("gb18030", "gb18030"),
        ("utf-8", "utf-16"),
    ],
)
def test_a_charset_that_is_named_is_read_and_the_bytes_win_over_a_wrong_one_of_unicode(charset: str, codec: str):
    text = json.dumps({"question": "颜色?"}, ensure_ascii=False)
    assert parse_json(text.encode(codec), charset) == {"question": "颜色?"}


def test_latin_1_is_read_where_it_is_declared():
    assert parse_json('{"question": "größe?"}'.encode("latin-1"), "ISO-8859-1") == {"question": "größe?"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"question": "a", "question": "b"}', "question"),
        ('{"a": {"image": 1, "b": 2, "image": 1}}', "image"),
        ('[{"top_k": 1, "top_k": null}]', "top_k"),
        ('{"": 1, "": 2}', ""),
        ('{"a\\u0062": 1, "ab": 2}', "ab"),
    ],
)
def test_two_values_of_one_name_are_refused(text: str, name: str):
    with pytest.raises(BadRequest, match=f"the name '{name}' occurs more than once in one JSON object"):
        parse_json(text.encode())


@pytest.mark.parametrize(
    "text", ["", "{", "{'a': 1}", "[1,]", "NaN", '{"a": Infinity}', "[-Infinity]", "1" * 5000, "[" * 100_000, "{} {}"]
)
def test_text_that_is_not_json_is_refused(text: str):
    with pytest.raises(BadRequest, match="the body is not JSON: "):
        parse_json(text.encode())


def test_ninety_thousand_names_are_no_more_work_for_one_that_is_repeated():
    names = ",".join(f'"{number}":0' for number in range(90_000))
    with pytest.raises(BadRequest, match="'x' occurs more than once"):
        parse_json(f'{{{names},"x":0,"x":0}}'.encode())


@pytest.mark.parametrize("text", ['{"a": [' + "[]," * 100_000 + "[]]}", "[" + "{}," * 99_999 + "{}]"])
def test_very_many_values_are_refused_before_they_are_parsed(text: str):
    with pytest.raises(BadRequest, match="holds more than 100,000 values; send a picture as a file"):
        parse_json(text.encode())
