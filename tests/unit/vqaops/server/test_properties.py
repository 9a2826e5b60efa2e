from __future__ import annotations

from pathlib import Path

import pytest

from vqaops.errors import ServerError
from vqaops.paths import CONFIG
from vqaops.server.properties import read_properties, write_properties


@pytest.mark.parametrize(
    "value",
    [
        "/srv/a, b;c/run",
        "C:\\models\\new",
        "/srv/räume/übung/é",
        "/srv/50% #1 !x = y : z",
        '{"name": "models.json", "archive": "a\\"b\\u00e9"}',
        "two\nlines",
        "😀",
        "[x] 'q' ${sys:a} $(b)",
        "\\u0041",
    ],
)
def test_a_value_is_read_back_as_it_was_written_whatever_characters_it_holds(tmp_path: Path, value: str):
    file = tmp_path / "config.properties"
    write_properties(file, {"model_snapshot": value, "after": "1"})
    assert read_properties(file) == {"model_snapshot": value, "after": "1"}
    assert file.read_bytes().isascii(), "Java reads the file as Latin-1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\nb=2\n", {"a": "1", "b": "2"}),
        ("a = 1  \r\nb=2\r\n", {"a": "1", "b": "2"}),
        ("\ufeffa=1\nb=2", {"a": "1", "b": "2"}),
        ("# comment = x\n! another\na:1\nb 2", {"a": "1", "b": "2"}),
        ("a=1, \\\n   2\nb=2", {"a": "1, 2", "b": "2"}),
        ("a=\\u0031\nb=2", {"a": "1", "b": "2"}),
        ("a=first\na=1\nb=2", {"a": "1", "b": "2"}),
        ("a=1\u2028x\u0085y\nb=2", {"a": "1\u2028x\u0085y", "b": "2"}),
        ("run=/räume\nb=2", {"run": "/räume", "b": "2"}),
    ],
)
def test_javas_grammar_is_read_with_or_without_byte_order_mark_and_with_any_line_ends(
    tmp_path: Path, text: str, expected: dict[str, str]
):
    file = tmp_path / "config.properties"
    file.write_bytes(text.encode())
    assert read_properties(file) == expected


def test_a_file_in_latin_1_is_read(tmp_path: Path):
    (tmp_path / "config.properties").write_bytes("run=/räume\n".encode("latin-1"))
    assert read_properties(tmp_path / "config.properties") == {"run": "/räume"}


def test_the_projects_own_properties_are_read():
    assert read_properties(CONFIG)["inference_address"] == "http://127.0.0.1:8080"


def test_a_missing_file_and_a_directory_are_refused_with_what_to_do(tmp_path: Path):
    with pytest.raises(ServerError, match=r"gone\.properties cannot be read: No such file.*--config"):
        read_properties(tmp_path / "gone.properties")
    with pytest.raises(ServerError, match=r"cannot be read: Is a directory"):
        read_properties(tmp_path)


def test_a_broken_escape_is_refused(tmp_path: Path):
    (tmp_path / "config.properties").write_text("store=C:\\users\n")
    with pytest.raises(ServerError, match=r"is not a properties file .*write a backslash as two"):
        read_properties(tmp_path / "config.properties")
