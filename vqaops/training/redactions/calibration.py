"""Calibration: a box's confidence becomes the probability that the box is right."""

from __future__ import annotations

import torch
from PIL import Image
from rich.progress import track
from torch.nn import functional as F

from vqaops.training.redactions.canvas import Mark
from vqaops.training.redactions.examples import Source
from vqaops.training.redactions.matching import match
from vqaserve.documents.boxes import Box
from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.family import Redactions

_STEPS = 200


def calibrate(family: Redactions, source: Source, count: int) -> RedactionsConfig:
    """Fit temperature and bias on the boxes that are found on examples (Platt 1999).

    Args:
        family: The trained networks, without calibration.
        source: Examples on documents that the networks were not trained on.
        count: The number of examples.
    """
    plain = family.config
    logits, right = [], []
    for number in track(range(count), "calibrating", transient=True):
        sample = source.draw(number)
        found = family.find(Image.fromarray(sample.page)).boxes
        matched = match(found, [to_box(mark, sample.page.shape) for mark in sample.redactions])
        logits += [box.confidence for box in found]
        right += [one is not None for one in matched]
    if len(set(right)) < 2:  # all right or all wrong, as after a very short training
        return plain
    inputs, targets = torch.logit(torch.tensor(logits), 1e-6), torch.tensor(right, dtype=torch.float32)
    scale, bias = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([scale, bias], lr=0.05)
    for _ in range(_STEPS):
        loss = F.binary_cross_entropy_with_logits(scale * inputs + bias, targets) + 1e-3 * (scale - 1).square().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    temperature = 1 / max(0.05, float(scale.item()))
    return plain.model_copy(update={"temperature": round(temperature, 3), "bias": round(float(bias.item()), 3)})


def to_box(mark: Mark, shape: tuple[int, ...]) -> Box:
    """A true box in fractions of a page [height, width]."""
    left, top, right, bottom = mark.place
    return Box(left / shape[1], top / shape[0], right / shape[1], bottom / shape[0], 1.0)
