"""Whether a new version is better on feedback that it did not learn from, and has not forgotten what it must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqaops.confidence.judged import Judged, judge
from vqaops.questions import Question
from vqaops.rollout.gate import GateResult


@dataclass(frozen=True, slots=True)
class Exam:
    """The answers of the old and the new version to the same questions.

    Attributes:
        old: Of the old version.
        new: Of the new version, in the same order.
    """

    old: Judged
    new: Judged

    @classmethod
    def of(cls, old: Path, new: Path, questions: Sequence[Question]) -> Exam:
        """Ask two recipes the same questions.

        Raises:
            RecipeError: As ``judge``.
        """
        return cls(judge(old, questions), judge(new, questions))

    @property
    def gain(self) -> float:
        """The new version's share of right answers less the old one's."""
        return float(self._differences.mean())

    @property
    def error(self) -> float:
        """One standard error of ``gain``: the questions are the same, so their differences are compared."""
        differences = self._differences
        return float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else 1.0

    @property
    def measured(self) -> str:
        """The figures in words."""
        return (
            f"{self.new.right.mean():.1%} of {len(self.new):,} right, before {self.old.right.mean():.1%} "
            f"({100 * self.gain:+.1f} ± {100 * self.error:.1f} points)"
        )

    @property
    def _differences(self) -> np.ndarray:
        differences: np.ndarray = self.new.right.astype(float) - self.old.right.astype(float)
        return differences


def learned(exam: Exam) -> GateResult:
    """Whether more of the held-out feedback is answered rightly than before."""
    return GateResult("feedback", float(exam.new.right.mean()), exam.measured, "more than before", exam.gain > 0)


def kept(exam: Exam, max_loss: float) -> GateResult:
    """Whether the golden set is answered as well as before, but for the loss that the recipe allows."""
    allowed = f"at most {max_loss:.0%} less"
    return GateResult("golden", float(exam.new.right.mean()), exam.measured, allowed, exam.gain >= -max_loss - 1e-9)
