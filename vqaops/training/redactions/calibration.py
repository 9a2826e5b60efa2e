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
_NEAR = 1e-3
"""How strongly the divisor is held at 1 and the page's weight at 0, which matters after a very short training."""


def calibrate(family: Redactions, source: Source, count: int) -> RedactionsConfig:
    """Fit temperature, bias and the page's weight on the boxes that are found on examples (Platt 1999).

    Args:
        family: The trained networks, without calibration.
        source: Examples on documents that the networks were not trained on.
        count: The number of examples.
    """
    plain = family.config
    boxes, surest, right = [], [], []
    for number in track(range(count), "calibrating", transient=True):
        sample = source.draw(number)
        found = family.find(Image.fromarray(sample.page))
        matched = match(found.boxes, [to_box(mark, sample.page.shape) for mark in sample.redactions])
        boxes += [box.confidence for box in found.boxes]
        surest += [found.confidence] * len(found.boxes)
        right += [one is not None for one in matched]
    if len(set(right)) < 2:  # all right or all wrong, as after a very short training
        return plain
    logits, of_pages = (torch.logit(torch.tensor(values), 1e-6) for values in (boxes, surest))
    targets = torch.tensor(right, dtype=torch.float32)
    fitted = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    optimiser = torch.optim.LBFGS([fitted], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimiser.zero_grad()
        scale, weight, bias = fitted
        calibrated = scale * logits + weight * of_pages + bias
        value = F.binary_cross_entropy_with_logits(calibrated, targets) + _NEAR * ((scale - 1).square() + weight**2)
        value.backward()
        return float(value.item())

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    scale, weight, bias = fitted.tolist()
    temperature = 1 / max(0.05, scale)
    changes = {"temperature": temperature, "page_weight": weight, "bias": bias}
    return plain.model_copy(update={name: round(value, 3) for name, value in changes.items()})


def to_box(mark: Mark, shape: tuple[int, ...]) -> Box:
    """A true box in fractions of a page [height, width]."""
    left, top, right, bottom = mark.place
    return Box(left / shape[1], top / shape[0], right / shape[1], bottom / shape[0], 1.0)
