"""The figures of one model."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.bench.plan import BenchPlan
from loadtest.bench.results import WorkloadResult
from loadtest.bench.workloads import floor_name
from loadtest.process_usage import MemoryMegabytes


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of the floor's answers to ``pairs`` pairs are fp32's."""

    same: int
    pairs: int

    @property
    def share(self) -> float:
        """Share of answers in [0, 1]."""
        return self.same / self.pairs


@dataclass(frozen=True)
class BenchResult:
    """The figures of one model.

    Attributes:
        name: The model's name.
        plan: How it was measured.
        workloads: By name.
        memory: Memory of each worker at the end.
        start_seconds: From the start of Java until the last worker was ready; None if the server ran already.
        worker_seconds: From each worker's own start until it was ready.
        agreement: With fp32, where its answers are known.
        processes: Processes of the floor at once, as many as there are workers.
    """

    name: str
    plan: BenchPlan
    workloads: dict[str, WorkloadResult]
    memory: list[MemoryMegabytes]
    start_seconds: float | None
    worker_seconds: list[float]
    agreement: Agreement | None
    processes: int = 1

    @property
    def floor(self) -> WorkloadResult:
        """The floor at its best batch size, in as many processes at once as there are workers."""
        return self._best_floor(self.processes)

    @property
    def lone_floor(self) -> WorkloadResult:
        """The floor at its best batch size, in one process while nothing else runs."""
        return self._best_floor(1)

    def _best_floor(self, processes: int) -> WorkloadResult:
        floors = (self.workloads[floor_name(batch, processes)] for batch in self.plan.batches)
        return min(floors, key=lambda one: one.cpu_ms)
