"""What a benchmark measures, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.pairs import Pair


@dataclass(frozen=True)
class BenchPlan:
    """How long each workload runs, and with which parameters.

    Attributes:
        rounds: How often each workload runs.
        seconds: Duration of a workload in a round.
        connections: Numbers of connections of the closed loops with the mix ``unique``.
        busy: Connections of the other mixes and of the bars; one of ``connections``.
        batches: Batch sizes of the floor.
        shares: Rates of the open loops, as shares of the measured capacity.
        gpu: Whether to sample how busy the GPU is.
    """

    rounds: int = 3
    seconds: float = 2.0
    connections: tuple[int, ...] = (1, 4, 16, 32)
    busy: int = 16
    batches: tuple[int, ...] = (1, 4, 8, 16)
    shares: tuple[float, ...] = (0.5, 0.8, 0.95)
    gpu: bool = False


@dataclass(frozen=True)
class BenchModel:
    """A model to measure.

    Attributes:
        name: Its name in the report and in the server.
        recipe: The unpacked archive, for the floor.
        pairs: What is asked.
        twins: Models of the same server with the same weights in another precision, by precision.
        transformers: Whether to measure the weights, a Hugging Face folder, with plain transformers too.
        held_out: Further pairs, numbered on from ``pairs``, that only the floor answers.
        known: The fp32 answers to ``pairs`` and ``held_out``, where they are known.
    """

    name: str
    recipe: Path
    pairs: Sequence[Pair]
    twins: Mapping[str, str] = field(default_factory=dict)
    transformers: bool = False
    held_out: Sequence[Pair] = ()
    known: Sequence[str] = ()
