"""A box's confidence becomes a probability, which depends on the surest box of its page too."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from vqaops.training.redactions.calibration import calibrate
from vqaops.training.redactions.canvas import Mark
from vqaops.training.redactions.samples import Sample
from vqaserve.documents.boxes import Box
from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.family import Found

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
