"""Archives of the weightless family, whose answers can be checked, with a few lines of code that break it.

The lines are added to the finished archive; nothing of them ships.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import yaml
from PIL import Image

from vqaops.building.build import build
from vqaops.store import checksums
from vqaops.store.archive import Archive

MODEL = "faulty"
FAMILY = "vqaserve/families/dummy.py"
COLOURS = {"red": "ff0000", "lime": "00ff00", "blue": "0000ff", "white": "ffffff"}

SLOW = """
import time
_forward = Dummy.forward
def _slow(self, features, queries):
    time.sleep({seconds} * len(queries))
    return _forward(self, features, queries)
Dummy.forward = _slow
"""
"""Each question takes a fixed time without CPU, which gives a known capacity."""

HANGS_ONCE = """
import time
_forward = Dummy.forward
def _hang(self, features, queries):
    try:
        Path({flag!r}).unlink()  # only one of two workers finds it
    except FileNotFoundError:
        return _forward(self, features, queries)
    time.sleep(3600)
Dummy.forward = _hang
"""
"""The worker that finds a flag file removes it and hangs."""

RAISES_AT_LOAD = """
def _load(folder, settings):
    raise OSError("the weights are on a disk that is gone")
Dummy.load = _load
"""

RAISES_AT_FIRST = """
_forward = Dummy.forward
def _first(self, features, queries):
    Dummy.forward = _forward
    raise ValueError("not warm yet")
Dummy.forward = _first
"""

RAISES_ONE_IN_TEN = """
import random
_forward, _chance = Dummy.forward, random.Random(0)
def _tenth(self, features, queries):
    if _chance.random() < 0.1:
        raise ValueError("one in ten")
    return _forward(self, features, queries)
Dummy.forward = _tenth
"""


def picture(colour: str) -> bytes:
    """Return a PNG of 4 x 3 pixels."""
    buffer = BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


def answer(colour: str, question: str) -> str:
    """Return the right answer of the weightless family."""
    return f"4x3 #{COLOURS[colour]}: {question}"


def build_faulty(store: Path, fault: str = "", version: str = "1.0.0", **settings: int) -> Archive:
    """Build an archive of the model ``faulty`` and add a fault to it.

    Args:
        store: Folder of the archive.
        fault: Python code that is appended to the weightless family's module.
        version: The model's version.
        settings: Server settings (``minWorkers``, ``jobQueueSize``, ...) that replace the recipe's own.
    """
    with tempfile.TemporaryDirectory(prefix="faulty-") as folder:
        archive = build(_recipe(Path(folder) / MODEL, version, settings), store, replace=True)
    if fault:
        _append(archive.path, FAMILY, fault)
        checksums.record(archive.path)
    return archive


def _recipe(recipe: Path, version: str, settings: Mapping[str, int]) -> Path:
    samples = recipe / "samples"
    samples.mkdir(parents=True)
    (samples / "red.png").write_bytes(picture("red"))
    sample = {"image": "red.png", "question": "what?", "answers": [answer("red", "what?")]}
    (samples / "questions.jsonl").write_text(json.dumps(sample) + "\n", encoding="utf-8")
    (recipe / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A recipe for fault tests\n", encoding="utf-8")
    default = {"minWorkers": 2, "maxWorkers": 2, "batchSize": 8, "maxBatchDelay": 1, "responseTimeout": 3}
    handler = {"version": version, "family": "dummy"}
    (recipe / "model-config.yaml").write_text(yaml.safe_dump({**default, **settings, "handler": handler}))
    return recipe


def _append(archive: Path, member: str, lines: str) -> None:
    changed = archive.with_suffix(".faulty")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (lines.encode() if name == member else b""))
    changed.replace(archive)
