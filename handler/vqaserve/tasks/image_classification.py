"""Which of its classes a picture shows; the Hub's ``image-classification``."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from vqaserve.tasks.base import Task, refuse_labels, refuse_question
from vqaserve.types import Query


class ImageClassification(Task):
    """Reads the picture and ``top_k`` only; gives labels as ``{"label", "score"}``, as in the Hub's schema."""

    noun: ClassVar[str] = "label"
    fields: ClassVar[frozenset[str]] = frozenset({"image_url", "top_k", "answer"})

    def prepare(self, query: Query) -> Query:
        """Fill in ``top_k``.

        Raises:
            InvalidParameter: ``top_k`` is out of range, or the query has a question or labels of its own.
        """
        refuse_question(query)
        refuse_labels(query, "knows its own labels only")
        return replace(query, question="", top_k=self.top_k(query, self.settings.top_k))
