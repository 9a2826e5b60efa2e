"""Figures of feedback: shares of thumbs up by model and by day, and the questions that go wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vqaops.feedback.store import Feedback


@dataclass(frozen=True, slots=True)
class Share:
    """Verdicts of one group.

    Attributes:
        group: What the rows have in common.
        answers: Answers that were shown.
        up: Thumbs up.
        down: Thumbs down.
    """

    group: str
    answers: int
    up: int
    down: int

    @property
    def share_up(self) -> float | None:
        """The share of thumbs up among the verdicts; None without verdicts."""
        return self.up / (self.up + self.down) if self.up + self.down else None

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, and the share."""
        return {**asdict(self), "share_up": self.share_up}


def by_version(rows: Sequence[Feedback]) -> list[Share]:
    """The verdicts on each version, by its name."""
    return _grouped(rows, [f"{row.model} {row.version}" for row in rows])


def by_day(rows: Sequence[Feedback]) -> list[Share]:
    """The verdicts of each day in UTC, in order."""
    return _grouped(rows, [row.time.date().isoformat() for row in rows])


def worst_questions(rows: Sequence[Feedback], most: int = 10) -> list[Share]:
    """The questions with the most thumbs down, in any letter case; those without one are left out."""
    shares = _grouped(rows, [row.question.lower() for row in rows])
    return sorted((share for share in shares if share.down), key=lambda share: (-share.down, share.group))[:most]


def _grouped(rows: Sequence[Feedback], groups: Sequence[str]) -> list[Share]:
    counted: dict[str, Counter[Hashable]] = defaultdict(Counter)
    for row, group in zip(rows, groups, strict=True):
        counted[group][row.thumbs_up] += 1
    return [Share(group, counts.total(), counts[True], counts[False]) for group, counts in sorted(counted.items())]
