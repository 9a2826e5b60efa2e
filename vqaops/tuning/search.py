"""Search for the best settings in few trials: one setting is changed at a time, until no change gains anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vqaops.tuning.space import SETTINGS, Candidate, Space

GAIN = 0.02
"""Least relative gain of a better value; less is within the noise of a trial."""


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """The measurements of a trial.

    Attributes:
        rate: Answers per second.
        p95_ms: 95th percentile of the latency, in milliseconds.
        cpu_ms: CPU milliseconds of the whole server for each answer.
        memory_mb: Resident memory of all workers together, in MB.
        failure: Why there are no measurements, or why they do not count; empty if they do.
    """

    rate: float = 0.0
    p95_ms: float = float("inf")
    cpu_ms: float = float("inf")
    memory_mb: float = 0.0
    failure: str = ""


Trial = Callable[[Candidate], TrialOutcome]


class Search:
    """A search under a latency limit; each candidate is tried once.

    Args:
        trial: Measures a candidate.
        limit_ms: Limit of the 95th percentile of the latency, in milliseconds.
    """

    def __init__(self, trial: Trial, limit_ms: float) -> None:
        self._trial = trial
        self._limit = limit_ms
        self.tried: dict[Candidate, TrialOutcome] = {}

    def best_from(self, start: Candidate, space: Space) -> Candidate:
        """Change one setting at a time, in each direction while that gains, until no change does; return the best."""
        self._measure(start)
        best, before = start, None
        while best != before:
            before = best
            for setting in SETTINGS:
                for way in space.ways_from(best, setting):
                    best = self._walk(best, way)
        return best

    def best_of_all(self, space: Iterable[Candidate]) -> Candidate:
        """Try every candidate and return the best."""
        for candidate in space:
            self._measure(candidate)
        return max(self.tried, key=self.merit)

    def fits(self, candidate: Candidate) -> bool:
        """Whether a candidate that was tried keeps the limit."""
        outcome = self.tried[candidate]
        return not outcome.failure and outcome.p95_ms <= self._limit

    def merit(self, candidate: Candidate) -> tuple[bool, float]:
        """Return the sort key of a tried candidate: its rate if it keeps the limit, else its negative latency."""
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
