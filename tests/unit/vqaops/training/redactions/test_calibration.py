"""A box's confidence becomes a probability, which depends on the surest box of its page too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vqaops.training.redactions.calibration import calibrate
from vqaops.training.redactions.canvas import Mark
from vqaops.training.redactions.samples import Sample
from vqaserve.documents.boxes import Box
from vqaserve.families.redactions import Redactions
from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.family import Found
from vqaserve.families.redactions.network import Networks
from vqaserve.families.redactions.outlines import Outline

SIDE = 100
SURE, WEAK = (10, 10, 40, 20), (10, 50, 40, 60)


class Pages:
    """Every other page has a sure redaction and a weak one; the others have a weak box that is none."""

    def draw(self, number: int) -> Sample:
        marks = [Mark(SURE, "black"), Mark(WEAK, "black")] if number % 2 else []
        page = np.full((SIDE, SIDE), 0 if number % 2 else 255, np.uint8)
        return Sample(page, page, marks, [], scanned=False)


class Seen:
    """Finds the sure box on dark pages alone, and the weak one everywhere."""

    config = RedactionsConfig()

    def find(self, page: Image.Image) -> Found:
        confidences = {WEAK: 0.4} if page.getextrema()[0] else {SURE: 0.95, WEAK: 0.4}
        boxes = tuple(Box(*(edge / SIDE for edge in place), sure) for place, sure in confidences.items())
        return Found(max(confidences.values()), boxes)


def test_a_weak_box_counts_more_on_a_page_with_a_sure_one():
    fitted = calibrate(Seen(), Pages(), 40)  # type: ignore[arg-type]
    weak, sure = (float(torch.logit(torch.tensor(value))) for value in (0.4, 0.95))
    beside_sure, alone = (weak / fitted.temperature + fitted.page_weight * top + fitted.bias for top in (sure, weak))
    assert fitted.page_weight > 0
    assert beside_sure > 0 > alone


def test_the_surest_box_of_a_page_raises_the_others(monkeypatch: pytest.MonkeyPatch):
    config = RedactionsConfig(side=128, channels=(4, 4, 4, 4), temperature=2.0, bias=-0.5, page_weight=0.25)
    family = Redactions(Networks(config), config, torch.device("cpu"))
    logits = torch.tensor([4.0, 0.0])

    def fixed(*_: Any) -> torch.Tensor:
        return logits

    monkeypatch.setattr(family.model.boxes, "forward", fixed)
    boxes = [Outline(10, 10, 40, 20, 0.9), Outline(10, 50, 40, 60, 0.9)]
    found = family.judged(Image.new("L", (SIDE, SIDE), 255), boxes)
    assert found == pytest.approx(torch.sigmoid(torch.tensor([2.0 + 1.0 - 0.5, 0.0 + 1.0 - 0.5])).tolist())
