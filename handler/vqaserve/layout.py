"""How many workers with how many threads a machine gets, for recipes that say ``auto``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vqaserve.machine import has_gpu, usable_cores, usable_memory

Open = Literal["workers", "threads"]
"""What a recipe can leave to the machine that serves."""

_LIBRARIES = 500 * 1024**2
"""Bytes of a worker and its decoder without weights: Python, torch, transformers, activations."""
_COPIES = 2
"""Bytes of a worker for each byte of weights: files in half precision are widened, and others are packed anew."""
_SHARE = 0.7
"""Share of the memory for the workers of one model; the rest is for Java, the caches of files and other models."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Worker processes, and threads of each."""

    workers: int
    threads: int


@dataclass(frozen=True, slots=True)
class Room:
    """What a model's workers may use.

    Attributes:
        cores: Cores.
        memory: Bytes.
        gpu: Whether the model runs on a GPU, which several workers would only share.
    """

    cores: int
    memory: int
    gpu: bool = False

    @classmethod
    def here(cls, device: str = "auto") -> Room:
        """The room on this machine for a recipe's ``device``."""
        return cls(usable_cores(), usable_memory(), device != "cpu" and has_gpu())

    def layout(self, weights: int = 0) -> Layout:
        """One worker of one thread for each core; fewer workers of more threads where memory is short.

        Two workers of one thread give as many answers as one of two threads, and a busy core stops only one of them
        (docs/how-to/tuning.md).

        Args:
            weights: Bytes of the files that a worker loads.
        """
        fitting = int(_SHARE * self.memory / (_LIBRARIES + _COPIES * weights))
        workers = 1 if self.gpu else max(1, min(self.cores, fitting))
        return Layout(workers, self.threads_beside(workers))

    def threads_beside(self, workers: int) -> int:
        """The threads of each of so many workers."""
        return max(1, self.cores // workers)


def replace_auto(content: Mapping[str, Any]) -> dict[str, Any]:
    """Write this machine's numbers for ``minWorkers: auto`` and ``threads: auto`` in a decoded ``model-config.yaml``.

    TorchServe reads numbers only. ``auto`` in the result lists what was replaced, so that another machine can fit it.

    Raises:
        ValueError: Only one of ``minWorkers`` and ``maxWorkers`` is ``auto``.
    """
    changed, handler = dict(content), content.get("handler")
    handler = dict(handler) if isinstance(handler, Mapping) else {}
    least, most = changed.get("minWorkers"), changed.get("maxWorkers")
    open_: list[Open] = []
    room = Room.here(str(handler.get("device", "auto")))
    if least == most == "auto":
        changed["minWorkers"] = changed["maxWorkers"] = least = room.layout().workers
        open_.append("workers")
    elif "auto" in (least, most):
        raise ValueError(f"minWorkers is {least} and maxWorkers is {most}; both are auto, or both are numbers")
    if handler.get("threads") == "auto":
        handler["threads"] = room.threads_beside(least) if isinstance(least, int) and least > 0 else 1
        changed["handler"] = handler
        open_.append("threads")
    return {**changed, "auto": open_} if open_ else changed
