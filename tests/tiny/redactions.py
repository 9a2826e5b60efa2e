"""A network of four narrow maps that finds redactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.network import Networks


def make(weights: Path) -> dict[str, Any]:
    config = RedactionsConfig(side=128, channels=(4, 4, 4, 4))
    torch.manual_seed(0)
    weights.mkdir(parents=True, exist_ok=True)
    save_file(Networks(config).state_dict(), weights / "model.safetensors")
    (weights / "config.json").write_text(config.model_dump_json())
    return {}
