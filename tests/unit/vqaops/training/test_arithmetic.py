"""The arithmetic of trainings."""

from __future__ import annotations

import pytest
import torch

from vqaops.training import arithmetic


@pytest.mark.parametrize(
    ("wanted", "native", "dtype"),
    [(True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32)],
)
def test_bf16_needs_a_processor_that_multiplies_it(
    wanted: bool, native: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(arithmetic, "multiplies_bf16", lambda: native)
    with arithmetic.autocast(wanted):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
