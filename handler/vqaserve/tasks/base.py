"""The interface of a task. A task knows what is asked and the shape of an answer, never the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from vqaserve.documents.limits import DocumentBudget
from vqaserve.errors import InvalidParameter
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query, Ranking


class Task(ABC):
    """Prepares queries for a family and turns its ranked answers into output."""

    noun: ClassVar[str]
    """What one of the ranked answers is called in replies."""

    fields: ClassVar[frozenset[str]]
    """The plain format's fields that the task reads besides ``image``; other formats have the same."""

    def __init__(self, settings: HandlerSettings) -> None:
        self.settings = settings

    def split(self, query: Query, budget: DocumentBudget) -> list[Query]:
        """The queries that one query of a request stands for: for a document, one for each page.

        Args:
            query: The query as it came.
            budget: What is left of the limits of the query's request for documents.

        Raises:
            InvalidParameter: The query chooses pages, and the task reads none.
        """
        del budget
        if query.pages:
            raise InvalidParameter("this model reads pictures and no documents; leave out 'pages'")
        return [query]

    @abstractmethod
    def prepare(self, query: Query) -> Query:
        """The query, normalized and checked against the limits, with defaults filled in.

        Raises:
            InvalidInput: Something that the task needs is missing, or is over a limit; or the query has something that
                the task does not read.
        """

    def finish(self, answers: Sequence[Answer], query: Query) -> Ranking:
        """Ranked answers as objects for JSON: the noun, ``score`` to six places, and the family's details.

        Args:
            answers: Best first.
            query: What they answer.
        """
        del query
        entries = ({self.noun: one.answer, "score": round(one.score, 6), **one.details} for one in answers)
        return Ranking(self.noun, tuple(entries))

    def top_k(self, query: Query, default: int) -> int:
        """The number of ranked answers that a query asks for, at least its ``choices``.

        Args:
            query: The query as it came.
            default: The number if the query has none.

        Raises:
            InvalidParameter: It is out of range.
        """
        if query.top_k is None:
            return max(default, query.choices)
        highest = max(self.settings.limits.max_top_k, default)
        if not 1 <= query.top_k <= highest:
            raise InvalidParameter(f"top_k is {query.top_k!s:.40}; it can be 1 to {highest}")
        return max(query.top_k, query.choices)


def is_encodable(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which is no character and no tokenizer reads."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_question(query: Query) -> None:
    """Refuse a question, for a task that reads none.

    Raises:
        InvalidParameter: The query has a question.
    """
    if query.question.strip():
        raise InvalidParameter("this model answers no question; leave out 'question'")


def refuse_labels(query: Query, instead: str) -> None:
    """Refuse candidate labels and their template, for a task that reads none.

    Args:
        query: The query as it came.
        instead: What the model does, for the message.

    Raises:
        InvalidParameter: The query has labels or a template.
    """
    sent = "labels" if query.labels else "hypothesis_template" if query.hypothesis_template else ""
    if sent:
        raise InvalidParameter(f"this model {instead}; leave out {sent!r}")
