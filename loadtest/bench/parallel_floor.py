"""The floor in as many processes at once as the server has workers: they share caches and clocks as workers do."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtest.bench.floor import Floor
from loadtest.bench.mixes import unique
from loadtest.bench.photographs import PHOTOGRAPHS, photographs
from loadtest.bench.results import Measurement
from loadtest.pairs import all_pairs
from loadtest.process_usage import CpuSeconds
from vqaops.calibrating.processes import Processes, obey


class FloorProcess:
    """One of the processes."""

    def __init__(self, recipe: Path, run: Path) -> None:
        self._floor = Floor.load(recipe, run)
        self._stream = unique(all_pairs(photographs(PHOTOGRAPHS)))

    def measure(self, batch: int, seconds: float) -> dict[str, Any]:
        """The fields of the floor's ``Measurement``."""
        found = self._floor.measure(self._stream, batch, seconds)
        return {"latencies": found.latencies, "wall": found.wall, "cpu": asdict(found.cpu), "stages": found.stages}


def measure_at_once(processes: Processes, batch: int, seconds: float) -> Measurement:
    """Let all processes answer full batches at once; answers and CPU time are those of all of them.

    Raises:
        TrialError: A process has ended.
    """
    found = processes.all("measure", batch=batch, seconds=seconds)
    latencies = [latency for one in found for latency in one["latencies"]]
    cpu = CpuSeconds(0.0, sum(one["cpu"]["children"] for one in found))
    stages: Counter[str] = Counter()
    for one in found:
        stages.update(one["stages"])
    return Measurement(len(latencies), latencies, max(one["wall"] for one in found), cpu, stages=stages)


if __name__ == "__main__":
    obey(lambda: FloorProcess(Path(sys.argv[1]), Path(sys.argv[2])))
