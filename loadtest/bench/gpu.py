"""GPU utilisation while a server answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import typer

from loadtest.sampling import sampled

_PERIOD = 0.1  # s; the driver averages over about the same time


def require_gpu() -> None:
    """Refuse on a machine without a GPU.

    Raises:
        typer.BadParameter: torch finds no GPU.
    """
    if not torch.cuda.is_available():
        raise typer.BadParameter(
            "torch finds no NVIDIA GPU on this machine; run on a machine with one, or measure the CPU: make bench"
        )


@contextmanager
def gpu_busy_samples(device: int = 0) -> Iterator[list[tuple[float, float]]]:
    """Yield samples of (seconds, share of time in which the GPU was busy), as NVML reports it."""
    import pynvml  # warns that its name is nvidia-ml-py now; imported only where a GPU is measured

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(device)
    try:
        with sampled(lambda: float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100, _PERIOD) as samples:
            yield samples
    finally:
        pynvml.nvmlShutdown()
