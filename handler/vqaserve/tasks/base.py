"""The interface of a task. A task knows the question and the shape of an answer, never the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query


class Task(ABC):
    """Prepares queries for a family and turns its ranked answers into output."""

    def __init__(self, settings: HandlerSettings) -> None:
        self.settings = settings

    @abstractmethod
    def prepare(self, query: Query) -> Query:
        """The query, normalized and checked against the limits, with defaults filled in.

        Raises:
            InvalidInput: The query is over a limit or empty.
        """

    @abstractmethod
    def finish(self, answers: Sequence[Answer]) -> tuple[Mapping[str, object], ...]:
        """Ranked answers as objects for JSON, best first."""
