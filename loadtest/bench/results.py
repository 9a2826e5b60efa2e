"""What one workload measured in one round, and the sums over all rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from loadtest.process_usage import CpuSeconds

Correctness = Literal["right", "tie", "wrong"]


@dataclass(frozen=True)
class Measurement:
    """A few seconds of one workload.

    Attributes:
        answers: Right answers.
        latencies: Seconds for each right answer; in an open loop, from when its request was due.
        wall: Seconds from the first request to the last answer.
        cpu: CPU time of the server. For a workload in this process, that process's as ``children``.
        client_cpu: CPU seconds of this process, where it is only the client.
        ties: Answers that the floor scores as high as its own best one. They count as right.
        wrong: Other answers.
        refused: Replies with another status than 200, by status; 0 for requests without a reply.
        stages: Seconds by pipeline stage, all answers together.
        batches: Batches that the workers computed.
        gpu_busy: Samples of the share of time in which the GPU was busy.
    """

    answers: int
    latencies: list[float]
    wall: float
    cpu: CpuSeconds
    client_cpu: float = 0.0
    ties: int = 0
    wrong: int = 0
    refused: Mapping[int, int] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    batches: float = 0.0
    gpu_busy: tuple[float, ...] = ()


@dataclass
class WorkloadResult:
    """All measurements of one workload.

    Attributes:
        name: The workload's name.
        from_server: Whether a server answered. Otherwise the model ran in this process and nothing was checked.
        measurements: One for each round.
    """

    name: str
    from_server: bool = True
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """Right answers of all rounds."""
        return sum(one.answers for one in self.measurements)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / sum(one.wall for one in self.measurements)

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per answer."""
        return self._per_answer(one.cpu.total for one in self.measurements)

    @property
    def java_ms(self) -> float:
        """CPU milliseconds per answer of TorchServe's front end."""
        return self._per_answer(one.cpu.parent for one in self.measurements)

    @property
    def workers_ms(self) -> float:
        """CPU milliseconds per answer of the workers."""
        return self._per_answer(one.cpu.children for one in self.measurements)

    @property
    def client_ms(self) -> float:
        """CPU milliseconds per answer of the client."""
        return self._per_answer(one.client_cpu for one in self.measurements)

    @property
    def wrong(self) -> int:
        """Wrong answers of all rounds."""
        return sum(one.wrong for one in self.measurements)

    @property
    def ties(self) -> int:
        """Ties of all rounds."""
        return sum(one.ties for one in self.measurements)

    @property
    def refused(self) -> dict[int, int]:
        """Replies with another status than 200, by status."""
        statuses = sorted({status for one in self.measurements for status in one.refused})
        return {status: sum(one.refused.get(status, 0) for one in self.measurements) for status in statuses}

    @property
    def batch(self) -> float | None:
        """Mean batch size; None where the server does not count batches."""
        batches = sum(one.batches for one in self.measurements)
        return self.answers / batches if batches else None

    @property
    def stages_ms(self) -> dict[str, float]:
        """Milliseconds per answer, by pipeline stage."""
        names = list(dict.fromkeys(name for one in self.measurements for name in one.stages))
        return {name: self._per_answer(one.stages.get(name, 0.0) for one in self.measurements) for name in names}

    @property
    def gpu_busy(self) -> float | None:
        """Share of time in which the GPU was busy; None where it was not sampled."""
        samples = [sample for one in self.measurements for sample in one.gpu_busy]
        return float(np.mean(samples)) if samples else None

    @property
    def mean_ms(self) -> float:
        """Mean latency."""
        return float(1000 * np.mean(self._latencies()))

    def percentile_ms(self, percent: float) -> float:
        """Return the latency that ``percent`` of the answers do not exceed."""
        return float(1000 * np.percentile(self._latencies(), percent))

    def anomalies(self) -> str:
        """Return the wrong answers, ties and refusals in words, empty if there were none."""
        found = [f"{self.wrong} wrong"] * bool(self.wrong) + [f"{self.ties} ties"] * bool(self.ties)
        return ", ".join([*found, *(f"{count} x {status}" for status, count in self.refused.items())])

    def _latencies(self) -> list[float]:
        return [latency for one in self.measurements for latency in one.latencies]

    def _per_answer(self, seconds: Iterable[float]) -> float:
        return 1000 * sum(seconds) / self.answers
