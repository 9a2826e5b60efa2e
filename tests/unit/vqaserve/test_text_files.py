from __future__ import annotations

import os
from pathlib import Path

import pytest

from vqaserve.errors import RecipeError
from vqaserve.text_files import decode, read_lines, read_text, split_lines

NOT_LINE_FEEDS = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"]


@pytest.mark.parametrize("character", NOT_LINE_FEEDS)
def test_only_a_line_feed_ends_a_line(character: str):
    assert split_lines(f"a{character}b\nc\n") == [f"a{character}b", "c"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\n", ["a", ""]),
        ("\n", [""]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\r\nb\nc\r", ["a", "b", "c"]),
    ],
)
def test_the_end_of_a_file_and_crlf_add_no_line(text: str, lines: list[str]):
    assert split_lines(text) == lines


def test_a_byte_order_mark_at_the_start_is_dropped_and_one_inside_is_kept(tmp_path: Path):
    (tmp_path / "file").write_bytes("\ufeffa\ufeff\n".encode())
    assert read_lines(tmp_path / "file") == ["a\ufeff"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_named(encoding: str):
    with pytest.raises(RecipeError, match=r"answers.txt is UTF-16 or UTF-32 text; save it as UTF-8"):
        decode("yes\nno\n".encode(encoding), "answers.txt")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer, .* `git lfs pull`"),
        (b"<!DOCTYPE html>\n<html>", "a web page"),
        (b"\n<html><body>404", "a web page"),
    ],
)
def test_what_comes_in_place_of_a_file_that_was_not_downloaded_is_named(content: bytes, kind: str):
    with pytest.raises(RecipeError, match=rf"answers\.txt is {kind}"):
        decode(content, "answers.txt")


def test_a_byte_that_is_not_utf8_is_named_with_its_line():
    with pytest.raises(RecipeError, match=r"answers.txt:3: byte 0xfc is not UTF-8 \(.*\); save the file as UTF-8"):
        decode("yes\nno\ngrün\n".encode("latin-1"), "answers.txt")


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"none.txt is missing"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(RecipeError, match="is a directory; a text file is needed"):
        read_text(tmp_path)


@pytest.mark.parametrize("name", ["a" * 300, "nul\0"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str):
    with pytest.raises(RecipeError, match="cannot be read"):
        read_text(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_refused(tmp_path: Path):
    (tmp_path / "file").touch(mode=0)
    with pytest.raises(RecipeError, match="cannot be read: Permission denied"):
        read_text(tmp_path / "file")
