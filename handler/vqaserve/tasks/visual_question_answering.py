"""A free-text question about a picture; the Hub's ``visual-question-answering``."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from vqaserve.errors import InvalidQuestion
from vqaserve.tasks.base import Task, is_encodable, refuse_labels
from vqaserve.tasks.question_text import normalize_question
from vqaserve.types import Query


class VisualQuestionAnswering(Task):
    """Checks the question and ``top_k``; gives answers as ``{"answer", "score"}``, as in the Hub's schema."""

    noun: ClassVar[str] = "answer"
    fields: ClassVar[frozenset[str]] = frozenset(
        {"image_url", "question", "questions", "conversation", "top_k", "answer"}
    )

    def prepare(self, query: Query) -> Query:
        """Normalize the question, or take the recipe's; fill in ``top_k``.

        Raises:
            InvalidQuestion: It is missing, empty or too long.
            InvalidParameter: ``top_k`` is out of range, or the query has labels.
        """
        refuse_labels(query, "answers questions")
        longest = self.settings.limits.max_question_chars
        asked = query.question or self.settings.question
        if asked is None:
            raise InvalidQuestion(
                "the request has no question; send it as 'question' (curl -F 'question=...'), in a chat as a text part"
            )
        question = normalize_question(asked, longest)
        if not question:
            raise InvalidQuestion('the question is empty; send a text such as "What is on the table?"')
        if len(question) > longest:
            raise InvalidQuestion(
                f"the question has {len(question):,} characters; at most {longest:,} are allowed: shorten it"
            )
        if not is_encodable(question):
            raise InvalidQuestion("the question holds half of a surrogate pair, which is not a character; send UTF-8")
        top_k = self.top_k(query, self.settings.top_k)
        is_prepared = (question, top_k) == (query.question, query.top_k)
        return query if is_prepared else replace(query, question=question, top_k=top_k)
