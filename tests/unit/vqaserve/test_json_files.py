"""JSON files that a user made, as editors and other tools save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqaserve.errors import RecipeError
from vqaserve.json_files import read_json, read_object


@pytest.mark.parametrize(
    "content",
    [b'{"a": 1}', b'\xef\xbb\xbf{"a": 1}\n', b'{\r\n  "a": 1\r\n}\r\n', b'\n\n{"a":1}\n', b'{"\\u0061": 1}'],
)
def test_the_same_object_is_read_however_it_is_saved(tmp_path: Path, content: bytes):
    (tmp_path / "config.json").write_bytes(content)
    assert read_object(tmp_path / "config.json") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"config\.json is not JSON \(Expecting value at column 1\)$"),
        (b'{"a": 1,\n "b": }\n', r"config\.json:2 is not JSON \(Expecting value at column 7\)$"),
        (b'{"a": 1}\n{"b": 2}\n', r"config\.json:2 is not JSON \(Extra data at column 1\)$"),
        (b"<!DOCTYPE html>", r"config\.json is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"config\.json is a Git LFS pointer"),
        (b'{"a": NaN}', r"NaN is not a JSON number"),
        (b'{"a": [-Infinity]}', r"-Infinity is not a JSON number"),
        (b'{"a": 1, "b": 2, "a": 3}', r"the name 'a' appears twice in one object"),
        (b'{"x": {"a": 1, "a": 1}}', r"the name 'a' appears twice"),
        (b"[" * 100_000, r"nested too deeply"),
        (b"1" * 10_000, r"is not JSON that can be read"),
        ('{"a": 1}'.encode("utf-16"), r"is UTF-16 or UTF-32 text; save it as UTF-8"),
        (b'{\n"a": "\xe9"}', r"config\.json:2: byte 0xe9 is not UTF-8"),
        (b"\0\0\0\0", r"UTF-16 or UTF-32"),
    ],
)
def test_a_file_that_is_not_json_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=message) as caught:
        read_json(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind"), [("[1]", "list"), ("null", "null"), ("true", "true"), ('"a"', "text"), ("7", "number")]
)
def test_a_value_where_an_object_is_needed_is_named(tmp_path: Path, content: str, kind: str):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RecipeError, match=f"holds a JSON {kind}; an object is needed"):
        read_object(tmp_path / "config.json")


def test_a_file_of_another_library_may_hold_what_that_library_reads(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"a": Infinity, "b": 1, "b": 2}')
    assert read_json(tmp_path / "config.json", strict=False) == {"a": float("inf"), "b": 2}
