"""A free-text question about a picture; the Hub's ``visual-question-answering``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vqaserve.errors import InvalidParameter, InvalidQuestion
from vqaserve.tasks.base import Task
from vqaserve.tasks.question_text import normalize_question
from vqaserve.types import Answer, Query


class VisualQuestionAnswering(Task):
    """Checks the question and ``top_k``; gives answers as ``{"answer", "score"}``."""

    def prepare(self, query: Query) -> Query:
        """Normalize the question, fill in ``top_k``.

        Raises:
            InvalidQuestion: It is empty or too long.
            InvalidParameter: ``top_k`` is out of range.
        """
        limits = self.settings.limits
        question = normalize_question(query.question, limits.max_question_chars)
        if not question:
            raise InvalidQuestion('the question is empty; send a text such as "What is on the table?"')
        if len(question) > limits.max_question_chars:
            raise InvalidQuestion(
                f"the question has {len(question):,} characters; at most {limits.max_question_chars:,} are "
                "allowed: shorten it"
            )
        if not _is_text(question):
            raise InvalidQuestion("the question holds half of a surrogate pair, which is not a character; send UTF-8")
        top_k = self.settings.top_k if query.top_k is None else query.top_k
        if not 1 <= top_k <= limits.max_top_k:
            raise InvalidParameter(f"top_k is {top_k!s:.40}; it can be 1 to {limits.max_top_k}")
        return replace(query, question=question, top_k=top_k)

    def finish(self, answers: Sequence[Answer]) -> tuple[Mapping[str, object], ...]:
        """``{"answer", "score"}`` for each, as in the Hub's schema, and the family's details."""
        return tuple({"answer": answer.answer, "score": round(answer.score, 6), **answer.details} for answer in answers)


def _is_text(question: str) -> bool:
    try:
        question.encode()
    except UnicodeEncodeError:
        return False
    return True
