"""The arithmetic of trainings on this machine."""

from __future__ import annotations

import torch

from vqaserve.families.precision import multiplies_bf16


def autocast(bf16: bool) -> torch.autocast:
    """A context in which matrices are multiplied in bf16, if that is wanted and the processor does it.

    A processor without AVX-512 BF16 emulates it: an EfficientNet-lite0 takes 12 times the CPU time of fp32 there.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=bf16 and multiplies_bf16())
