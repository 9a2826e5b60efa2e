"""YAML of settings, as editors on every system save it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqaserve.errors import RecipeError
from vqaserve.yaml_files import read_yaml


def bomb(kind: list[str] | dict[str, str], levels: int, width: int) -> bytes:
    """A few lines that stand for ``width ** levels`` values."""
    lines = ["l0: &l0 [x, x]"]
    for level in range(1, levels + 1):
        names = [f"*l{level - 1}"] * width
        inner = ", ".join(f"k{number}: {name}" for number, name in enumerate(names)) if kind == {} else ", ".join(names)
        lines.append(f"l{level}: &l{level} " + ("{%s}" if kind == {} else "[%s]") % inner)
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"a: 1\nb: {c: \xc3\xbc}\n",
        b"\xef\xbb\xbfa: 1\nb: {c: \xc3\xbc}\n",
        b"a: 1\r\nb: {c: \xc3\xbc}\r\n",
        b"# comment\n---\na: 1\nb:\n  c: \xc3\xbc",
        b"base: &base {c: \xc3\xbc}\na: 1\nb:\n  <<: *base\n",
    ],
)
def test_the_same_content_is_read_however_it_is_saved(tmp_path: Path, content: bytes):
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    found = read_yaml(file)
    assert (found["a"], found["b"]) == (1, {"c": "ü"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", r":3: the key 'a' appears twice in one mapping; keep one of them$"),
        (b"a:\n  b: 1\n  c: 2\n  b: 1\n", r":4: the key 'b' appears twice"),
        (b"a: {b: 1, 'b': 2}\n", r":1: the key 'b' appears twice"),
        (b"a: 1\nb: [1, 2\n", r":3 is not YAML: "),
        (b"a: 1\n\tb: 2\n", r":2 is not YAML: .*"),
        (b"a: b: c\n", r":1 is not YAML: mapping values are not allowed here$"),
        (b"a: !!python/object/apply:os.system ['true']\n", r":1: could not determine a constructor"),
        (b"a: 2026-13-45\n", r" is not YAML: month must be in"),
        (b"name: \x00\n", r" is not YAML: unacceptable character"),
        (b"a: \xff\n", r":1: byte 0xff is not UTF-8"),
        ("a: 1\n".encode("utf-16"), r"UTF-16"),
        (b"a: &a [*a]\n", r":1: a value refers to itself$"),
        (b"a: &a {b: {c: *a}}\n", r":1: a value refers to itself$"),
        (bomb([], 9, 10), r"the references stand for more than 100,000 values"),
        (bomb([], 30, 2), r"the references stand for more than 100,000 values"),
        (bomb({}, 9, 10), r"the references stand for more than 100,000 values"),
        (b"a: *b\n", r":1 is not YAML: found undefined alias 'b'$"),
    ],
)
def test_a_file_at_fault_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=message) as caught:
        read_yaml(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(RecipeError, match=str(path)):
            read_yaml(path)


def test_equal_keys_of_different_mappings_and_types_are_no_duplicates(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("a: {x: 1}\nb: {x: 2}\n1: one\n'1': text\n")
    assert read_yaml(file) == {"a": {"x": 1}, "b": {"x": 2}, 1: "one", "1": "text"}
