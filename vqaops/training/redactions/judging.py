"""Training of the second network: boxes of drawn examples, and whether each is a redaction."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator, default_rng
from PIL import Image
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from vqaops.training.arithmetic import autocast
from vqaops.training.redactions.calibration import to_box
from vqaops.training.redactions.canvas import between
from vqaops.training.redactions.examples import Source
from vqaops.training.redactions.matching import overlap
from vqaops.training.redactions.samples import Sample
from vqaops.training.redactions.settings import RedactionTrainSettings
from vqaops.training.redactions.weights import mean_of
from vqaserve.families.redactions.family import Redactions
from vqaserve.families.redactions.judge import BoxJudge, describe, look_at, mirrored, to_tensor
from vqaserve.families.redactions.outlines import Outline
from vqaserve.families.redactions.skew import Upright

log = logging.getLogger(__name__)

_FITS = 0.5
"""Intersection over union with a redaction from which on a box is right."""

_NOT_REDACTED = 0.25
"""Redacted share of a box below which it is wrong. One in between is wrong too if another box fits better."""

_MOST_WRONG = 25
"""Of a page."""

_JOINED = "decide.1.weight"
"""The weights of all features [64, features]; those of the page around are the last ones."""

_BATCH = 128


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes and the truth about them.

    Attributes:
        views: uint8 [n, 7, 64, 64].
        traits: [n, 4].
        truth: 1 for a redaction, else 0 [n].
    """

    views: Tensor
    traits: Tensor
    truth: Tensor


def collect_boxes(family: Redactions, sources: Sequence[tuple[Source, int]]) -> Boxes:
    """Collect the boxes that the first network marks, and those that were drawn, a little displaced.

    Args:
        family: The networks.
        sources: Where examples come from, and how many of each.
    """
    views, traits, truth = [], [], []
    examples = [(source, number) for source, count in sources for number in range(count)]
    for source, number in track(examples, "looking at boxes", transient=True):
        sample = source.draw(number)
        upright = Upright.of(Image.fromarray(sample.page))
        outlines = [*family.outlines(upright.page), *_drawn(upright, sample, default_rng([source.seed, number, 1]))]
        known = _some({n: right for n, right in enumerate(_verdicts(upright, sample, outlines)) if right is not None})
        if known:
            views.append(look_at(upright.page, [outlines[n] for n in known]))
            traits.append(describe(upright.page, [outlines[n] for n in known]))
            truth += [float(right) for right in known.values()]
    return Boxes(torch.from_numpy(np.concatenate(views)), torch.from_numpy(np.concatenate(traits)), torch.tensor(truth))


def train_judge(boxes: Boxes, settings: RedactionTrainSettings, first: Mapping[str, Tensor]) -> BoxJudge:
    """Train the second network on the boxes and varied copies of them, from ``first`` weights if there are some.

    Runs that start from the same weights end so close to each other that their mean is a good network too.
    """
    if not first:
        return _run(boxes, settings, settings.seed, {})
    torch.manual_seed(settings.seed)
    mean = first = _with_page_around(first, BoxJudge().state_dict())
    for run in range(settings.judge_runs):
        trained = _run(boxes, settings, settings.seed + run, first).state_dict()
        mean = mean_of(mean, trained, 1 / (run + 1))
    judge = BoxJudge()
    judge.load_state_dict(mean_of(first, mean, settings.judge_share))
    return judge.eval()


def _run(boxes: Boxes, settings: RedactionTrainSettings, seed: int, first: Mapping[str, Tensor]) -> BoxJudge:
    """Train once, from ``first`` weights or, without them, from random ones."""
    torch.manual_seed(seed)
    judge = BoxJudge()
    if first:
        judge.load_state_dict(first)
    steps = settings.judge_epochs * -(-len(boxes.truth) // _BATCH)
    optimiser = torch.optim.AdamW(judge.parameters(), weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    for _ in track(range(settings.judge_epochs), "training on boxes", transient=True):
        loss = torch.zeros(())
        order = torch.randperm(len(boxes.truth))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            views, traits = _varied(to_tensor(boxes.views[rows].numpy()), boxes.traits[rows])
            if len(rows) > 1:  # normalisation needs two
                with autocast(settings.bf16):
                    logits = judge(views, traits)
                loss = F.binary_cross_entropy_with_logits(logits.float(), boxes.truth[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            schedule.step()
    log.info("%d boxes, %.0f %% redactions; loss %.4f", len(boxes.truth), 100 * boxes.truth.mean(), loss.item())
    return judge.eval()


def _with_page_around(first: Mapping[str, Tensor], random: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the part that sees the page around a box to weights without it; its share in the result is 0."""
    more = random[_JOINED].shape[1] - first[_JOINED].shape[1]
    return {**random, **first, _JOINED: F.pad(first[_JOINED], (0, more))}


def _varied(views: Tensor, traits: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror half of the boxes; change contrast and brightness; hide the first network's opinion of some.

    That network knows the pages that it was trained on better than those of other documents.
    """
    count = len(views)
    swapped = torch.rand(count) < 0.5
    views[swapped] = mirrored(views[swapped])
    contrast, light = 1 + 0.2 * torch.randn(count, 1, 1, 1), 0.05 * torch.randn(count, 1, 1, 1)
    traits = traits.clone()
    traits[:, 2] += 0.3 * torch.randn(count)
    traits[torch.rand(count) < 0.2, 2] = 0
    return ((views - 0.5) * contrast + 0.5 + light).clamp(0, 1), traits


def _some(known: Mapping[int, bool]) -> Mapping[int, bool]:
    """All boxes that are right, and the first wrong ones in a random order: some pages have a hundred."""
    wrong = [number for number, right in known.items() if not right]
    shuffled = default_rng(len(known)).permutation(wrong).tolist()
    return {number: known[number] for number in [*shuffled[:_MOST_WRONG], *(n for n, right in known.items() if right)]}


def _verdicts(upright: Upright, sample: Sample, outlines: Sequence[Outline]) -> Iterator[bool | None]:
    """Whether each box is right; None where it is on a redaction, does not fit, and nothing else does."""
    true = [to_box(mark, sample.page.shape) for mark in sample.redactions]
    boxes = [upright.box(one, 1.0) for one in outlines]
    truth = np.asarray(upright.turn(Image.fromarray(sample.truth), 0))
    overlaps = np.array([[overlap(box, other) for other in true] for box in boxes]).reshape(len(boxes), len(true))
    is_found = np.any(overlaps >= _FITS, axis=0, keepdims=True)
    for one, row in zip(outlines, overlaps, strict=True):
        share = float(truth[one.top : one.bottom, one.left : one.right].mean()) / 255
        if (row >= _FITS).any():
            yield True
        else:
            yield False if share < _NOT_REDACTED or (is_found & (row > 0)).any() else None


def _drawn(upright: Upright, sample: Sample, rng: Generator) -> list[Outline]:
    """Redactions and distractors as boxes with edges that are off by some pixels."""
    height, width = sample.page.shape
    outlines = []
    for mark in [*sample.redactions, *sample.distractors]:
        one = upright.outline_of(mark.place)
        left, top, right, bottom = (
            int(edge + between(rng, -3, 3)) for edge in (one.left, one.top, one.right, one.bottom)
        )
        left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
        if right - left > 4 and bottom - top > 4:
            outlines.append(Outline(left, top, right, bottom, between(rng, 0.4, 1)))
    return outlines
