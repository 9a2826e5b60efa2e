"""The confidences of the boxes of a page."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

from vqaserve.families.redactions import Redactions
from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.network import Networks
from vqaserve.families.redactions.outlines import Outline


def test_the_surest_box_of_a_page_raises_the_others(monkeypatch: pytest.MonkeyPatch):
    config = RedactionsConfig(side=128, channels=(4, 4, 4, 4), temperature=2.0, bias=-0.5, page_weight=0.25)
    family = Redactions(Networks(config), config, torch.device("cpu"))
    logits = torch.tensor([4.0, 0.0])

    def fixed(*_: Any) -> torch.Tensor:
        return logits

    monkeypatch.setattr(family.model.boxes, "forward", fixed)
    boxes = [Outline(10, 10, 40, 20, 0.9), Outline(10, 50, 40, 60, 0.9)]
    found = family.judged(Image.new("L", (100, 100), 255), boxes)
    assert found == pytest.approx(torch.sigmoid(torch.tensor([2.0 + 1.0 - 0.5, 0.0 + 1.0 - 0.5])).tolist())
