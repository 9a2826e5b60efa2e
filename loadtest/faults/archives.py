"""Archives with a fault: the weightless family, whose answers can be checked, and a few lines that break it.

The lines are put into the archive only, after it was built and tried as every other; nothing of them ships.
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
"""Takes a set time for each question, without using the processor: a capacity that is known."""

HANGS_ONCE = """
import time
_forward = Dummy.forward
def _hang(self, features, queries):
    try:
        Path({flag!r}).unlink()  # of two workers only one finds it
    except FileNotFoundError:
        return _forward(self, features, queries)
    time.sleep(3600)
Dummy.forward = _hang
"""
"""A worker that finds a file takes it away and never comes back."""

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
    """A PNG of 4 x 3 pixels."""
    buffer = BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


def answer(colour: str, question: str) -> str:
    """What the weightless family answers."""
    return f"4x3 #{COLOURS[colour]}: {question}"


def build_faulty(store: Path, fault: str = "", version: str = "1.0.0", **server: int) -> Archive:
    """Build the archive of a recipe made on the spot, and put the fault into it.

    Args:
        store: Where the archive goes.
        fault: Lines of Python that follow those of the weightless family.
        version: Of the model ``faulty``.
        server: What replaces the recipe's own server settings (``minWorkers``, ``jobQueueSize``, ...).
    """
    with tempfile.TemporaryDirectory(prefix="faulty-") as folder:
        archive = build(_recipe(Path(folder) / MODEL, version, server), store, replace=True)
    if fault:
        _append(archive.path, FAMILY, fault)
        checksums.record(archive.path)
    return archive


def _recipe(recipe: Path, version: str, server: Mapping[str, int]) -> Path:
    samples = recipe / "samples"
    samples.mkdir(parents=True)
    (samples / "red.png").write_bytes(picture("red"))
    sample = {"image": "red.png", "question": "what?", "answers": [answer("red", "what?")]}
    (samples / "questions.jsonl").write_text(json.dumps(sample) + "\n", encoding="utf-8")
    (recipe / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A recipe for fault tests\n", encoding="utf-8")
    settings = {"minWorkers": 2, "maxWorkers": 2, "batchSize": 8, "maxBatchDelay": 1, "responseTimeout": 3}
    handler = {"version": version, "family": "dummy"}
    (recipe / "model-config.yaml").write_text(yaml.safe_dump({**settings, **server, "handler": handler}))
    return recipe


def _append(archive: Path, member: str, lines: str) -> None:
    broken = archive.with_suffix(".faulty")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (lines.encode() if name == member else b""))
    broken.replace(archive)
