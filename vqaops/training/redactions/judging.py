"""Training of the second network: boxes of drawn examples, and whether each is a redaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator, default_rng
from PIL import Image
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from vqaops.training.redactions.canvas import between
from vqaops.training.redactions.examples import Source
from vqaops.training.redactions.samples import Sample
from vqaops.training.redactions.settings import RedactionTrainSettings
from vqaserve.families.redactions.family import Redactions
from vqaserve.families.redactions.judge import BoxJudge, describe, look_at, to_tensor
from vqaserve.families.redactions.outlines import Outline

log = logging.getLogger(__name__)

_REDACTED, _NOT_REDACTED = 0.5, 0.25
"""A box is a redaction if at least this share of it is redacted, and none below the second; others are left out."""

_BATCH = 128


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes and the truth about them.

    Attributes:
        views: uint8 [n, 3, 64, 64].
        traits: [n, 4].
        truth: 1 for a redaction, else 0 [n].
    """

    views: Tensor
    traits: Tensor
    truth: Tensor


def collect_boxes(family: Redactions, source: Source, count: int) -> Boxes:
    """Collect the boxes that the first network marks, and those that were drawn, a little displaced."""
    views, traits, truth = [], [], []
    for number in track(range(count), "looking at boxes", transient=True):
        sample = source.draw(number)
        page = Image.fromarray(sample.page)
        outlines = [*family.outlines(page), *_drawn(sample, default_rng([source.seed, number, 1]))]
        shares = [float(sample.truth[one.top : one.bottom, one.left : one.right].mean()) / 255 for one in outlines]
        kept = [n for n, share in enumerate(shares) if not _NOT_REDACTED < share < _REDACTED]
        if kept:
            views.append(look_at(page, [outlines[n] for n in kept]))
            traits.append(describe(page, [outlines[n] for n in kept]))
            truth += [float(shares[n] >= _REDACTED) for n in kept]
    return Boxes(torch.from_numpy(np.concatenate(views)), torch.from_numpy(np.concatenate(traits)), torch.tensor(truth))


def train_judge(boxes: Boxes, settings: RedactionTrainSettings) -> BoxJudge:
    """Train the second network; half of the boxes are mirrored."""
    torch.manual_seed(settings.seed)
    judge = BoxJudge()
    steps = settings.judge_epochs * -(-len(boxes.truth) // _BATCH)
    optimiser = torch.optim.AdamW(judge.parameters(), weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    for _ in track(range(settings.judge_epochs), "training on boxes", transient=True):
        loss = torch.zeros(())
        order = torch.randperm(len(boxes.truth))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            views = to_tensor(boxes.views[rows].numpy())
            mirrored = torch.rand(len(rows)) < 0.5
            views[mirrored] = views[mirrored].flip(3)
            if len(rows) > 1:  # normalisation needs two
                loss = F.binary_cross_entropy_with_logits(judge(views, boxes.traits[rows]), boxes.truth[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            schedule.step()
    log.info("%d boxes, %.0f %% redactions; loss %.4f", len(boxes.truth), 100 * boxes.truth.mean(), loss.item())
    return judge.eval()


def _drawn(sample: Sample, rng: Generator) -> list[Outline]:
    """Redactions and distractors as boxes with edges that are off by some pixels."""
    height, width = sample.page.shape
    outlines = []
    for mark in [*sample.redactions, *sample.distractors]:
        left, top, right, bottom = (int(edge + between(rng, -3, 3)) for edge in mark.place)
        left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
        if right - left > 4 and bottom - top > 4:
            outlines.append(Outline(left, top, right, bottom, between(rng, 0.4, 1)))
    return outlines
