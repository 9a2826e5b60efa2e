from __future__ import annotations

import pytest
import torch

from vqaops.training.export import fit_temperature


def test_the_temperature_undoes_exaggeration():
    torch.manual_seed(0)
    logits = torch.randn(4000, 5)
    first = torch.multinomial(logits.softmax(1), 1).squeeze(1)
    assert fit_temperature(logits * 2.5, first) == pytest.approx(2.5, abs=0.2)
