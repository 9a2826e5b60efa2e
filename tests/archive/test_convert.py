"""CLIP, a language model and an adapter, converted, built and served in process."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.support.archives import pack
from tests.support.families import PAIRS, SHORT, encoded
from tests.tiny.kinds import Tiny
from vqaops.building.worker import InProcessWorker
from vqaops.paths import ROOT


def test_the_reply_carries_answer_and_similarity_to_four_places(make_tiny: Callable[[str], Tiny], tmp_path: Path):
    weights = make_tiny("clip_llm").folder / "weights"
    recipe = tmp_path / "clip-llm"
    folders = [word for name in ("clip", "llm", "adapter") for word in (f"--{name}", weights / name)]
    command = [sys.executable, "scripts/convert.py", *folders, "-o", recipe, "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(pack(recipe, tmp_path / "store").path) as archive:
        archive.extractall(tmp_path / "unpacked")
    (reply,) = InProcessWorker.load(tmp_path / "unpacked").predict([{"image": encoded(PAIRS[0][0]), "question": SHORT}])
    assert reply.status == 200
    best = json.loads(reply.body)["answers"][0]
    assert set(best) >= {"answer", "score", "clip_similarity"}
    assert best["clip_similarity"] == round(best["clip_similarity"], 4)
