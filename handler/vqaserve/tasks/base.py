"""What a task is to the rest: it knows the question and the shape of an answer, never the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query


class Task(ABC):
    """Prepares queries for a family, and words its ranked answers."""

    def __init__(self, settings: HandlerSettings) -> None:
        self.settings = settings

    @abstractmethod
    def prepare(self, query: Query) -> Query:
        """The query, checked against the limits, with defaults filled in.

        Raises:
            InvalidInput: The query cannot be answered as it stands.
        """

    @abstractmethod
    def finish(self, answers: Sequence[Answer]) -> tuple[Mapping[str, object], ...]:
        """Ranked answers in the task's words, ready for JSON, best first."""
