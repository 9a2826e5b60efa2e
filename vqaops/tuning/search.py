"""Finding the best choice with few trials: one setting after the other, until none brings anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vqaops.tuning.space import SETTINGS, Candidate, Space

GAIN = 0.02
"""What another value must bring to be worth a move; less is the noise of a trial."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial measured.

    Attributes:
        rate: Answers per second.
        p95_ms: Latency that 95 % stay below.
        cpu_ms: Of the whole server, for each answer.
        memory_mb: Resident memory of all workers together.
        failure: Why there are no figures, or why they do not count.
    """

    rate: float = 0.0
    p95_ms: float = float("inf")
    cpu_ms: float = float("inf")
    memory_mb: float = 0.0
    failure: str = ""


Trial = Callable[[Candidate], Outcome]


class Search:
    """Trials of a space under a limit of latency; each candidate is tried once.

    Args:
        trial: Measures a candidate.
        limit_ms: What the 95th percentile must stay below.
    """

    def __init__(self, trial: Trial, limit_ms: float) -> None:
        self._trial = trial
        self._limit = limit_ms
        self.tried: dict[Candidate, Outcome] = {}

    def best_from(self, start: Candidate, space: Space) -> Candidate:
        """Change one setting at a time, each way for as long as that gains, until none does."""
        self._measure(start)
        best, before = start, None
        while best != before:
            before = best
            for setting in SETTINGS:
                for way in space.ways_from(best, setting):
                    best = self._walk(best, way)
        return best

    def best_of_all(self, space: Iterable[Candidate]) -> Candidate:
        """Try every candidate."""
        for candidate in space:
            self._measure(candidate)
        return max(self.tried, key=self.merit)

    def fits(self, candidate: Candidate) -> bool:
        """Whether a candidate that was tried stays below the limit."""
        outcome = self.tried[candidate]
        return not outcome.failure and outcome.p95_ms <= self._limit

    def merit(self, candidate: Candidate) -> tuple[bool, float]:
        """What makes one better than another: most answers among those below the limit, else the lowest latency."""
        outcome = self.tried[candidate]
        fits = self.fits(candidate)
        return fits, outcome.rate if fits else -outcome.p95_ms

    def _walk(self, best: Candidate, way: Iterable[Candidate]) -> Candidate:
        for candidate in way:
            if not self._gains(candidate, best):
                break
            best = candidate
        return best

    def _gains(self, candidate: Candidate, best: Candidate) -> bool:
        self._measure(candidate)
        (fits, merit), (fitted, before) = self.merit(candidate), self.merit(best)
        return fits > fitted or (fits == fitted and merit > before + GAIN * abs(before))

    def _measure(self, candidate: Candidate) -> None:
        if candidate not in self.tried:
            self.tried[candidate] = self._trial(candidate)
