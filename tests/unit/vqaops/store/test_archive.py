"""Files that are no archives, or archives of something else, are refused in words."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vqaops.store.archive import MANIFEST, Archive
from vqaserve.errors import RecipeError

MODEL = {"modelName": "dummy", "modelVersion": "1.0.0"}


def packed(path: Path, **members: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w") as mar:
        for name, content in members.items():
            mar.writestr({"manifest": MANIFEST, "config": "model-config.yaml"}.get(name, name), content)
    return path


def damage(path: Path, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as mar:
        mar.writestr(MANIFEST, json.dumps({"model": MODEL}) * 50)
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    return path


def encrypt(path: Path) -> Path:
    data = bytearray(packed(path, manifest=json.dumps({"model": MODEL})).read_bytes())
    data[6] |= 1  # the flag in the member's own header, and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


BROKEN: dict[str, Callable[[Path], object]] = {
    "a text file": lambda path: path.write_text("hello"),
    "an empty file": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "no file": lambda path: None,
    "deflated data that are damaged": damage,
    "stored data that are damaged": lambda path: damage(path, zipfile.ZIP_STORED),
    "an encrypted file": encrypt,
    "no manifest": lambda path: packed(path, other="x"),
    "a manifest that is no JSON": lambda path: packed(path, manifest="{"),
    "a manifest that is no UTF-8": lambda path: packed(path, manifest=b"\xff\xfe{}"),
    "a manifest without a model": lambda path: packed(path, manifest="{}"),
    "a manifest that is a list": lambda path: packed(path, manifest="[]"),
    "a manifest whose model is a text": lambda path: packed(path, manifest='{"model": "x"}'),
    "a manifest without a version": lambda path: packed(path, manifest='{"model": {"modelName": "x"}}'),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_no_complete_archive_is_refused_in_words(tmp_path: Path, make: Callable[[Path], object]):
    make(tmp_path / "a.mar")
    with pytest.raises(RecipeError, match=r"a\.mar is not a complete archive .*scripts/build_mar.py"):
        Archive.read(tmp_path / "a.mar")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"modelName": "a/../b", "modelVersion": "1.0.0"}, "holds '/'"),
        ({"modelName": "my model", "modelVersion": "1.0.0"}, "holds a blank"),
        ({"modelName": "m", "modelVersion": "1.0"}, r"is not MAJOR\.MINOR\.PATCH"),
        ({"modelName": "m", "modelVersion": None}, "the version 'None'"),
        ({"modelName": "../m", "modelVersion": "1.0.0"}, "holds '/'"),
    ],
)
def test_an_archive_whose_name_or_version_cannot_be_served_is_refused(tmp_path: Path, model, message: str):
    with pytest.raises(RecipeError, match=message):
        Archive.read(packed(tmp_path / "a.mar", manifest=json.dumps({"model": model})))


def test_settings_that_are_no_yaml_are_refused_in_words(tmp_path: Path):
    path = packed(tmp_path / "a.mar", manifest=json.dumps({"model": MODEL}), config="a: [")
    with pytest.raises(RecipeError, match=r"a\.mar: model-config\.yaml:1 is not YAML"):
        _ = Archive.read(path).settings
