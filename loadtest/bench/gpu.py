"""How busy a GPU is: the share of time in which it ran anything, sampled while the server answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import typer

_PERIOD = 0.1  # s; the driver averages over a period of its own, about as long


def require_gpu() -> None:
    """Refuse on a machine without a GPU.

    Raises:
        typer.BadParameter: Torch finds none.
    """
    if not torch.cuda.is_available():
        raise typer.BadParameter(
            "torch finds no NVIDIA GPU here, and a GPU's figures cannot be had from a CPU; measure the CPU: make bench"
        )


@contextmanager
def busy_samples(device: int = 0) -> Iterator[list[float]]:
    """Shares in [0, 1], one every tenth of a second while the block runs."""
    import pynvml  # warns that it is called nvidia-ml-py now; only a GPU's figures are worth that

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(device)
    samples: list[float] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(_PERIOD):
            samples.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
        pynvml.nvmlShutdown()
