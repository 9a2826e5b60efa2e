"""The measurement of an archive's candidates: who keeps the answers, and what an answer costs each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from vqaops.calibrating.processes import LATE, Processes, TrialError
from vqaserve.calibration import Arithmetic, Conditions, Trial
from vqaserve.families.probe import PICTURES, QUESTIONS, agreement
from vqaserve.types import Answer

SECONDS = 120.0
"""Most time for the candidates of one archive; those that are not measured by then cannot be chosen.

A ViLT takes a quarter of it on two idle cores."""
_MEASURED_SECONDS = 0.6
"""Time for one batch size of a candidate."""
_LARGEST_BATCH = 8
"""Larger batches are rare, and cost each candidate nearly the same for an answer."""
_HOPELESS = 1.5
"""A candidate that costs so many times the best one's time for a lone question is not measured further."""
_REFERENCE = Arithmetic(precision="fp32")


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured, and how.

    Attributes:
        folder: The unpacked archive.
        conditions: The conditions of service.
        agreement: Share of answers that must be those of fp32.
        environment: The environment of the workers.
    """

    folder: Path
    conditions: Conditions
    agreement: float
    environment: Mapping[str, str]

    @property
    def processes(self) -> int:
        """Processes that compute at once."""
        return min(self.conditions.workers, self.conditions.cores)


class Measuring:
    """Measures one candidate after the other until the time is over.

    Args:
        setup: What is measured.
        show: Shows what is being done.
    """

    def __init__(self, setup: Setup, show: Callable[[str], None]) -> None:
        self._setup = setup
        self._show = show
        self._end = time.monotonic() + SECONDS
        self._expected: list[tuple[Answer, ...]] = []
        self._cheapest = float("inf")  # CPU ms of a lone question

    def trials(self) -> tuple[Trial, ...]:
        """The trial of each candidate, fp32 first; a single candidate is not measured.

        Raises:
            TrialError: The archive cannot be loaded.
        """
        done: list[Trial] = []
        left: list[Arithmetic] = []
        with self._processes() as processes:
            (found,) = processes.each("candidates", [{}])
            left = [Arithmetic.model_validate(one) for one in found]
            if len(left) < 2:
                return tuple(Trial(arithmetic=one, failure="the only one here") for one in left)
            try:
                self._ask_reference(processes, left, done)
            except TrialError as error:
                if str(error) != LATE:
                    raise
            else:
                self._try(processes, left, done)
        while left and time.monotonic() < self._end:  # in other processes, since those that failed may have ended
            with self._processes() as processes:
                self._try(processes, left, done)
        return (*done, *(Trial(arithmetic=one, failure=LATE) for one in left))

    def _ask_reference(self, processes: Processes, left: list[Arithmetic], done: list[Trial]) -> None:
        """Get the answers with which those of the candidates are compared; fp32 may be a candidate itself."""
        self._show("fp32, with whose answers the others are compared")
        processes.all("load", arithmetic=_REFERENCE.model_dump())
        self._expected = self._answers(processes)
        if _REFERENCE in left:
            done.append(self._cost(processes, _REFERENCE))
            left.remove(_REFERENCE)

    def _try(self, processes: Processes, left: list[Arithmetic], done: list[Trial]) -> None:
        """Try the candidates that are left until one fails."""
        while left:
            candidate = left.pop(0)
            self._show(f"{candidate} ({len(done) + 1} of {len(done) + len(left) + 1})")
            try:
                processes.all("load", arithmetic=candidate.model_dump())
                kept = agreement(self._expected, self._answers(processes))
                if kept < self._setup.agreement:
                    done.append(Trial(arithmetic=candidate, failure=f"keeps {kept:.1%} of the probe answers"))
                else:
                    done.append(self._cost(processes, candidate))
            except TrialError as error:
                done.append(Trial(arithmetic=candidate, failure=str(error)))
                return

    def _answers(self, processes: Processes) -> list[tuple[Answer, ...]]:
        """The answers to the probe; each process answers about some of the pictures."""
        count = self._setup.processes
        shares = [{"pictures": list(range(PICTURES))[number::count]} for number in range(min(count, PICTURES))]
        found = zip(shares, processes.each("probe", shares), strict=True)
        by_picture = {
            picture: answers[place * len(QUESTIONS) : (place + 1) * len(QUESTIONS)]
            for share, answers in found
            for place, picture in enumerate(share["pictures"])
        }
        return [
            tuple(Answer(answer, score) for answer, score in ranked)
            for picture in sorted(by_picture)
            for ranked in by_picture[picture]
        ]

    def _cost(self, processes: Processes, candidate: Arithmetic) -> Trial:
        largest = min(self._setup.conditions.batch, _LARGEST_BATCH)
        costs: list[float] = []
        for batch in dict.fromkeys((1, largest)):
            costs.append(1000 * fmean(processes.all("measure", batch=batch, seconds=_MEASURED_SECONDS)))
            if costs[0] > _HOPELESS * self._cheapest:
                return Trial(arithmetic=candidate, cpu_ms=round(costs[0], 2), failure="not measured in batches")
        self._cheapest = min(self._cheapest, costs[0])
        return Trial(arithmetic=candidate, cpu_ms=round(fmean(costs), 2))

    def _processes(self) -> Processes:
        setup, seconds = self._setup, self._end - time.monotonic()
        command = "vqaops.calibrating.trial", str(setup.conditions.threads)
        return Processes(command, setup.folder, setup.processes, setup.environment, seconds)
