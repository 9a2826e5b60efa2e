"""Examples as tensors: drawn once in the network's size, and kept on disk."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import default_rng
from PIL import Image
from rich.progress import track
from torch import Tensor

from vqaops.training.redactions import brushes, passages
from vqaops.training.redactions.distractors import MEASURED
from vqaops.training.redactions.pages import Page
from vqaops.training.redactions.samples import Sample, draw_sample
from vqaserve.families.redactions.network import CELL
from vqaserve.families.redactions.preparation import pad_ink, scaled_size

_ON_REDACTION = 0.6
"""Share of the squares that are chosen for a redaction in them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where examples come from.

    Attributes:
        pages: Pages of documents.
        typed: Share of examples that are typed pages instead.
        seed: Example ``n`` is the same for the same seed, whatever was drawn before.
        styles: How often each style of redaction is drawn, in the order of ``brushes.BRUSHES``.
        distractors: Kinds of distractors that are drawn.
        passage_weights: How often each passage is chosen, in the order of ``passages.PASSAGES``.
    """

    pages: Sequence[Page]
    typed: float
    seed: int
    styles: Sequence[float] = brushes.WEIGHTS
    distractors: Sequence[str] = MEASURED
    passage_weights: Sequence[float] = passages.WEIGHTS

    def draw(self, number: int) -> Sample:
        """Draw one example in the pages' resolution."""
        rng = default_rng([self.seed, number])
        typed = rng.random() < self.typed
        page = None if typed else self.pages[int(rng.integers(len(self.pages)))].pixels()
        return draw_sample(
            page, rng, styles=self.styles, distractors=self.distractors, passage_weights=self.passage_weights
        )


@dataclass(frozen=True, slots=True)
class Crops:
    """Squares of pages to train on in place of whole pages, which are mostly blank or plain text.

    Attributes:
        share: Share of the batches.
        number: Squares of a page.
        side: In pixels, a multiple of the network's stride.
    """

    share: float
    number: int
    side: int


def draw_examples(source: Source, count: int, side: int, folder: Path) -> list[Path]:
    """Draw examples in the network's size into a folder; those that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}.npz" for number in range(count)]
    for number, file in track(list(enumerate(files)), "drawing examples", transient=True):
        if not file.exists():
            sample = source.draw(number)
            page, truth = Image.fromarray(sample.page), Image.fromarray(sample.truth)
            width, height = scaled_size(*page.size, side)
            small = page.resize((width, height), Image.Resampling.BILINEAR)
            cells = truth.resize((-(-width // CELL), -(-height // CELL)), Image.Resampling.BOX)
            temporary = file.with_suffix(".partial.npz")
            np.savez(temporary, page=np.asarray(small), truth=np.asarray(cells))
            temporary.replace(file)
    return files


def batches(
    files: Sequence[Path], size: int, rng: random.Random | None, crops: Crops | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pages [n, 1, height, width] and truths [n, height / 2, width / 2], in [0, 1].

    Args:
        files: What ``draw_examples`` returned.
        size: Examples in a batch.
        rng: Shuffles, crops and mirrors the examples; None keeps them as they are.
        crops: How examples are cropped, if they are.
    """
    order = list(files)
    if rng:
        rng.shuffle(order)
    for start in range(0, len(order), size):
        pairs = [_read(file, mirrored=rng is not None and rng.random() < 0.5) for file in order[start : start + size]]
        if rng and crops and rng.random() < crops.share:
            pairs = [_crop(pair, crops.side, rng) for pair in pairs for _ in range(crops.number)]
        height, width = (max(ink.shape[way] for ink, _ in pairs) for way in (1, 2))
        yield (
            torch.stack([_padded(ink, height, width) for ink, _ in pairs]),
            torch.stack([_padded(truth, height // CELL, width // CELL) for _, truth in pairs]),
        )


def _read(file: Path, mirrored: bool) -> tuple[Tensor, Tensor]:
    with np.load(file) as kept:
        page, truth = kept["page"], kept["truth"]
    if mirrored:  # the letters are strange then, but what is a redaction stays one
        page, truth = page[:, ::-1], truth[:, ::-1]
    ink = pad_ink(page)
    return ink, _padded(torch.from_numpy(truth.astype(np.float32) / 255), ink.shape[1] // CELL, ink.shape[2] // CELL)


def _crop(pair: tuple[Tensor, Tensor], side: int, rng: random.Random) -> tuple[Tensor, Tensor]:
    """A square of a page; of a page with redactions, mostly one of the squares that show some."""
    ink, truth = pair
    rows, columns = max(1, truth.shape[0] - side // CELL), max(1, truth.shape[1] - side // CELL)
    top, left = rng.randrange(rows), rng.randrange(columns)
    marked = truth.nonzero() if rng.random() < _ON_REDACTION else truth[:0]
    if len(marked):
        row, column = (int(place) for place in marked[rng.randrange(len(marked))])
        top = min(max(0, row - rng.randrange(side // CELL)), rows - 1)
        left = min(max(0, column - rng.randrange(side // CELL)), columns - 1)
    return (
        ink[:, CELL * top : CELL * top + side, CELL * left : CELL * left + side],
        truth[top : top + side // CELL, left : left + side // CELL],
    )


def _padded(values: Tensor, height: int, width: int) -> Tensor:
    padded = torch.zeros(*values.shape[:-2], height, width)
    padded[..., : values.shape[-2], : values.shape[-1]] = values
    return padded
