"""What one way of answering took in one turn, and what its turns add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from loadtest.bench.usage import Cpu

Verdict = Literal["right", "tie", "wrong"]


@dataclass(frozen=True)
class Turn:
    """A few seconds of one way.

    Attributes:
        answers: Right ones.
        latencies: Seconds for each of them; in an open loop from when it should have been sent.
        wall: Seconds from the first request to the last answer.
        cpu: Of the server, or, of the floor, of this process as ``workers``.
        client: CPU seconds of this process, where it is only the client.
        ties: Answers that the floor finds as good as its own best one; they count as right.
        wrong: Other answers.
        refused: Replies with another status than 200, by status; 0 for none at all.
        stages: Seconds by stage, all answers together.
        batches: How many left together, to be answered.
        gpu_busy: Samples of the share of time in which the GPU ran anything.
    """

    answers: int
    latencies: list[float]
    wall: float
    cpu: Cpu
    client: float = 0.0
    ties: int = 0
    wrong: int = 0
    refused: Mapping[int, int] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    batches: float = 0.0
    gpu_busy: tuple[float, ...] = ()


@dataclass
class Total:
    """All turns of one way.

    Attributes:
        name: The way's.
        judged: Whether a server answered, whose answers were checked; else it is a road in this process.
        turns: One for each round.
    """

    name: str
    judged: bool = True
    turns: list[Turn] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return sum(turn.answers for turn in self.turns)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / sum(turn.wall for turn in self.turns)

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds for each answer, of the server or the floor."""
        return self._per_answer(turn.cpu.whole for turn in self.turns)

    @property
    def java_ms(self) -> float:
        return self._per_answer(turn.cpu.java for turn in self.turns)

    @property
    def workers_ms(self) -> float:
        return self._per_answer(turn.cpu.workers for turn in self.turns)

    @property
    def client_ms(self) -> float:
        return self._per_answer(turn.client for turn in self.turns)

    @property
    def wrong(self) -> int:
        return sum(turn.wrong for turn in self.turns)

    @property
    def ties(self) -> int:
        return sum(turn.ties for turn in self.turns)

    @property
    def refused(self) -> dict[int, int]:
        """How often each other status came."""
        statuses = sorted({status for turn in self.turns for status in turn.refused})
        return {status: sum(turn.refused.get(status, 0) for turn in self.turns) for status in statuses}

    @property
    def batch(self) -> float | None:
        """Mean size of the batches that left together; None where the server does not count them."""
        batches = sum(turn.batches for turn in self.turns)
        return self.answers / batches if batches else None

    @property
    def stages_ms(self) -> dict[str, float]:
        """Milliseconds for each answer, by stage."""
        names = list(dict.fromkeys(name for turn in self.turns for name in turn.stages))
        return {name: self._per_answer(turn.stages.get(name, 0.0) for turn in self.turns) for name in names}

    @property
    def gpu_busy(self) -> float | None:
        """Share of time; None where nobody looked."""
        samples = [sample for turn in self.turns for sample in turn.gpu_busy]
        return float(np.mean(samples)) if samples else None

    @property
    def mean_ms(self) -> float:
        return float(1000 * np.mean([one for turn in self.turns for one in turn.latencies]))

    def percentile_ms(self, share: float) -> float:
        """Latency that ``share`` percent of the answers stay below."""
        return float(1000 * np.percentile([one for turn in self.turns for one in turn.latencies], share))

    def _per_answer(self, seconds: Iterable[float]) -> float:
        return 1000 * sum(seconds) / self.answers
