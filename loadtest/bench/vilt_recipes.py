"""Recipes with a model of ViLT-B/32's size and random weights, for the benchmark.

An answer costs the same whatever the weights are. The answers must still differ, and survive rounding to bf16, so that
a mix-up of requests shows. With a random last layer the best two of 3,129 answers are so close that rounding swaps 3 %
of them; hence the last layer is fitted (``vilt_weights.py``).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path

import torch
from rich.console import Console

from loadtest.bench.photographs import shots
from loadtest.bench.vilt_weights import make_weights
from loadtest.pairs import Pair, all_pairs

HELD_OUT = 3
"""Further shots of each photograph on which a precision is compared with fp32."""
FITTED = 5
"""Other shots of each photograph, to which the last layer is fitted."""

CONFIG = """\
# TorchServe reads the top level, the handler reads `handler:`.
minWorkers: 2            # one per core of a small machine; each has one thread (below)
maxWorkers: 2
batchSize: 8             # the largest batch
maxBatchDelay: 1         # ms; sends what queued while the workers were busy, does not wait for more
responseTimeout: 60      # s; in fp32 an answer takes a third of a second
startupTimeout: 300      # s; half a gigabyte of weights
jobQueueSize: 128        # requests that may wait; further ones get 503 at once
handler:
  version: 1.0.0
  family: hf_classifier
  threads: 1
  precision: {precision}
  agreement: 0.8         # the probe's pairs lie between the answers; the benchmark counts agreement on real pairs
  options:
    runtime: {runtime}
"""
ON_OPENVINO = {"vilt": ("auto", "auto"), "vilt-bf16": ("openvino", "bf16"), "vilt-fp32": ("openvino", "fp32")}
ON_TORCH = {"vilt": ("torch", "auto"), "vilt-fp32": ("torch", "fp32")}
"""Recipes, each with runtime and precision. The first is measured in full, the others are its twins."""
_KNOWN = "vilt-fp32.json"
CARD = """\
---
license: apache-2.0
---
# A model of ViLT-B/32's size

Made by `make bench` for measurements: random weights and a fitted last layer. It has learned nothing.
"""


@dataclass(frozen=True)
class ViltRecipes:
    """The recipes and the model's fp32 answers.

    Attributes:
        recipes: ``vilt``, which leaves the arithmetic to this machine, then its twins.
        pairs: The pairs that are asked, then the same questions about each held-out shot.
        known: The fp32 answer to each pair, by its number.
    """

    recipes: list[Path]
    pairs: list[Pair]
    known: list[str]


def make_recipes(folder: Path, photographs: list[bytes], console: Console) -> ViltRecipes:
    """Make the recipes. Weights that exist are kept if their fp32 answers were computed for the same pairs.

    Args:
        folder: Folder for the recipes and the fp32 answers, ``vilt-fp32.json``.
        photographs: Each question about each photograph gets an answer of its own.
        console: Shows the progress.

    Raises:
        RecipeError: In fp32 the model does not tell the pairs apart.
    """
    further = shots(photographs)
    pairs = all_pairs([*photographs, *chain.from_iterable(islice(further, HELD_OUT))])
    on_openvino = find_spec("openvino") is not None and not torch.cuda.is_available()
    arithmetic = ON_OPENVINO if on_openvino else ON_TORCH
    first, *twins = [folder / name / "weights" for name in arithmetic]
    known = _read_known(folder / _KNOWN, pairs) if first.exists() else None
    if known is None:
        fitted = all_pairs(list(chain.from_iterable(islice(further, FITTED))))
        for weights in folder.glob("*/weights"):
            shutil.rmtree(weights, ignore_errors=True)
        known = make_weights(first, fitted, pairs, len(photographs), console)
        text = json.dumps({"pairs": _fingerprint(pairs), "answers": known}) + "\n"
        (folder / _KNOWN).write_text(text, encoding="utf-8")
    for twin in twins:
        if not twin.exists():
            _link(first, twin)
    recipes = [folder / name for name in arithmetic]
    for recipe in recipes:
        runtime, precision = arithmetic[recipe.name]
        config = CONFIG.format(precision=precision, runtime=runtime)
        _write_recipe(recipe, config, pairs[0], known[0])
    return ViltRecipes(recipes, pairs, known)


def _write_recipe(recipe: Path, config: str, pair: Pair, answer: str) -> None:
    samples = recipe / "samples"
    samples.mkdir(parents=True, exist_ok=True)
    (samples / "picture.jpg").write_bytes(pair.picture)
    line = json.dumps({"image": "picture.jpg", "question": pair.question, "answers": [answer]})
    for file, text in {
        samples / "questions.jsonl": line + "\n",
        recipe / "README.md": CARD,
        recipe / "model-config.yaml": config,
    }.items():
        file.write_text(text, encoding="utf-8")


def _read_known(file: Path, pairs: Sequence[Pair]) -> list[str] | None:
    """Return the fp32 answers; None if the file is missing or belongs to other pairs."""
    if not file.exists():
        return None
    written = json.loads(file.read_text(encoding="utf-8"))
    answers: list[str] = written["answers"]
    return answers if written["pairs"] == _fingerprint(pairs) else None


def _fingerprint(pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(pair.picture + pair.question.encode())
    return digest.hexdigest()


def _link(source: Path, target: Path) -> None:
    """Create hard links to half a gigabyte of weights instead of copies."""
    target.mkdir(parents=True)
    for file in source.iterdir():
        (target / file.name).hardlink_to(file)
