"""One of the processes that try a candidate together.

``python -m vqaops.calibrating.trial THREADS`` runs in an unpacked archive, whose own code then runs, as in a worker.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqaops.calibrating.processes import obey
from vqaserve.calibration import Arithmetic
from vqaserve.errors import RecipeError
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.families.probe import ask_batch, probe_answers, probe_picture
from vqaserve.memory import trim
from vqaserve.settings import ModelConfig


class Candidate:
    """A family that is loaded in one arithmetic after the other."""

    def __init__(self, folder: Path, threads: int) -> None:
        settings = ModelConfig.read(folder / "model-config.yaml").handler
        # The probe is asked here, not by the family, because all candidates are compared with the same answers.
        self._settings = settings.model_copy(update={"device": "cpu", "threads": threads, "agreement": 0})
        self._folder = folder
        self._kind = find_family(settings.family)
        self._family: Family[Any, Any] | None = None

    def candidates(self) -> list[dict[str, str]]:
        """The candidates of the family on this machine."""
        return [one.model_dump() for one in self._kind.candidates(self._folder, self._settings)]

    def load(self, arithmetic: dict[str, str]) -> None:
        """Load the family in an arithmetic, in place of what was loaded before."""
        self._family = None
        trim()
        self._family = self._kind.load(self._folder, Arithmetic.model_validate(arithmetic).apply(self._settings))
        trim()

    def probe(self, pictures: Sequence[int]) -> list[list[tuple[str, float]]]:
        """The ranked answers to the probe's questions about some of its pictures."""
        found = probe_answers(self._loaded, pictures)
        return [[(answer.answer, answer.score) for answer in ranked] for ranked in found]

    def measure(self, batch: int, seconds: float) -> float:
        """CPU seconds of an answer in batches of a size.

        Batches are repeated for so many seconds after the first, which compiles what is compiled for a shape. One that
        takes longer than that is long enough to be measured itself.
        """
        pictures = [probe_picture(seed) for seed in range(batch)]
        began, cpu = time.monotonic(), time.process_time()
        ask_batch(self._loaded, pictures)
        answers = batch
        if time.monotonic() < began + seconds:
            answers, cpu, end = 0, time.process_time(), time.monotonic() + seconds
            while time.monotonic() < end:
                ask_batch(self._loaded, pictures)
                answers += batch
        return (time.process_time() - cpu) / answers

    @property
    def _loaded(self) -> Family[Any, Any]:
        if self._family is None:
            raise RecipeError("no arithmetic is loaded")
        return self._family


if __name__ == "__main__":
    obey(lambda: Candidate(Path.cwd(), int(sys.argv[1])))
