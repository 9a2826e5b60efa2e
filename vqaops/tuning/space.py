"""The space of settings to search, and the candidates in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, get_args

from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig, Precision

Setting = Literal["precision", "layout", "batch", "delay"]
SETTINGS: tuple[Setting, ...] = get_args(Setting)
"""The settings in the order of the search: those with the largest effect first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One combination of settings.

    Attributes:
        workers: Worker processes (``minWorkers``, ``maxWorkers``).
        threads: Torch threads of each worker.
        batch: Largest batch (``batchSize``).
        delay: Milliseconds that an idle worker waits for a full batch (``maxBatchDelay``).
        precision: Precision, as in a recipe.
    """

    workers: int
    threads: int
    batch: int
    delay: int
    precision: Precision

    @classmethod
    def of(cls, config: ModelConfig) -> Candidate:
        """Return the settings of a recipe."""
        handler = config.handler
        return cls(config.minWorkers, handler.threads, config.batchSize, config.maxBatchDelay, handler.precision)

    def __str__(self) -> str:
        return f"{self.workers} x {self.threads} threads, batch {self.batch}, {self.delay} ms, {self.precision}"


@dataclass(frozen=True, slots=True)
class Space:
    """All combinations of settings.

    Attributes:
        layouts: Pairs of workers and threads of each worker.
        batches: Batch sizes, ascending.
        delays: Batch delays in milliseconds, ascending; 0 is left out, since TorchServe takes it for 100.
        precisions: Precisions, in any order.
    """

    layouts: tuple[tuple[int, int], ...]
    batches: tuple[int, ...]
    delays: tuple[int, ...]
    precisions: tuple[Precision, ...]

    def __len__(self) -> int:
        return len(self.layouts) * len(self.batches) * len(self.delays) * len(self.precisions)

    def __iter__(self) -> Iterator[Candidate]:
        for (workers, threads), batch, delay, precision in product(
            self.layouts, self.batches, self.delays, self.precisions
        ):
            yield Candidate(workers, threads, batch, delay, precision)

    def nearest(self, wanted: Candidate) -> Candidate:
        """Return the candidate of this space that is closest to another one."""
        workers, threads = min(
            self.layouts, key=lambda pair: (abs(pair[0] - wanted.workers), abs(pair[1] - wanted.threads))
        )
        return Candidate(
            workers,
            threads,
            min(self.batches, key=lambda batch: abs(batch - wanted.batch)),
            min(self.delays, key=lambda delay: abs(delay - wanted.delay)),
            wanted.precision if wanted.precision in self.precisions else self.precisions[0],
        )

    def ways_from(self, candidate: Candidate, setting: Setting) -> list[list[Candidate]]:
        """Return the paths on which one setting of a candidate can change.

        Args:
            candidate: A candidate of this space.
            setting: The setting to change.

        Returns:
            A path upwards and a path downwards for a number; one path to each other value of anything else.
        """
        match setting:
            case "precision":
                return [[replace(candidate, precision=one)] for one in self.precisions if one != candidate.precision]
            case "layout":
                own = (candidate.workers, candidate.threads)
                return [[replace(candidate, workers=w, threads=t)] for w, t in self.layouts if (w, t) != own]
            case "batch":
                ways = _up_and_down(self.batches, candidate.batch)
                return [[replace(candidate, batch=batch) for batch in way] for way in ways]
            case "delay":
                ways = _up_and_down(self.delays, candidate.delay)
                return [[replace(candidate, delay=delay) for delay in way] for way in ways]


def parse_precisions(names: Sequence[str]) -> tuple[Precision, ...]:
    """Return precisions that a user names.

    Raises:
        RecipeError: A recipe cannot have one of them.
    """
    known: tuple[Precision, ...] = get_args(Precision)
    if unknown := [name for name in names if name not in known]:
        raise RecipeError(f"--precision {unknown[0]!r} is none of {', '.join(known)}")
    return tuple(one for name in names for one in known if one == name)


def layouts(cores: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of workers and threads that use all cores, and one that leaves a core to Java."""
    halvings = [2**power for power in range(cores.bit_length()) if 2**power <= cores]
    found = [(workers, cores // workers) for workers in halvings]
    found.append((max(1, cores - 1), 1))
    return tuple(dict.fromkeys(found))


def _up_and_down(values: tuple[int, ...], value: int) -> list[list[int]]:
    place = values.index(value)
    return [list(values[place + 1 :]), list(reversed(values[:place]))]
