"""Which of the client's own labels fits a picture; the Hub's ``zero-shot-image-classification``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from vqaserve.errors import InvalidLabels, InvalidParameter
from vqaserve.tasks.base import Task, is_encodable, refuse_question
from vqaserve.tasks.question_text import normalize_question
from vqaserve.types import Query

_PLACE = "{}"


class ZeroShotImageClassification(Task):
    """Checks the candidate labels; gives them ranked as ``{"label", "score"}``, as in the Hub's schema."""

    noun: ClassVar[str] = "label"
    fields: ClassVar[frozenset[str]] = frozenset(
        {"image_url", "labels", "candidate_labels", "hypothesis_template", "top_k", "answer"}
    )

    def prepare(self, query: Query) -> Query:
        """Normalize the labels, and fill in ``top_k`` (all of them) and the template.

        Raises:
            InvalidLabels: They are missing, too many, too long, or one is empty or comes twice.
            InvalidParameter: ``top_k`` or the template is not valid, or the query has a question.
        """
        refuse_question(query)
        labels = self._labels(query.labels)
        template = query.hypothesis_template or self.settings.hypothesis_template
        if template.count(_PLACE) != 1:
            raise InvalidParameter(
                f"hypothesis_template is {template!r:.80}; it has to hold {_PLACE} once, where the label goes"
            )
        longest = self.settings.limits.max_label_chars
        if len(template) > longest:
            raise InvalidParameter(
                f"hypothesis_template has {len(template):,} characters; at most {longest:,} are allowed: shorten it"
            )
        return replace(
            query,
            question="",
            labels=labels,
            hypothesis_template=normalize_question(template, longest),
            top_k=min(self.top_k(query, len(labels)), len(labels)),
        )

    def _labels(self, sent: Sequence[str]) -> tuple[str, ...]:
        most, longest = self.settings.limits.max_labels, self.settings.limits.max_label_chars
        if not 1 <= len(sent) <= most:
            came = f"{len(sent):,} labels" if sent else "no labels"
            raise InvalidLabels(
                f"the request has {came}; send 1 to {most} as 'labels' (curl -F 'labels=a cat,a dog') or "
                "'candidate_labels'"
            )
        labels = tuple(normalize_question(label, longest) for label in sent)
        for number, label in enumerate(labels, 1):
            if not label:
                raise InvalidLabels(f"label {number} is empty; send a word or a caption")
            if len(label) > longest:
                raise InvalidLabels(
                    f"label {number} has {len(label):,} characters; at most {longest:,} are allowed: shorten it"
                )
            if not is_encodable(label):
                raise InvalidLabels(f"label {number} holds half of a surrogate pair; send UTF-8")
        label, times = Counter(labels).most_common(1)[0]
        if times > 1:
            raise InvalidLabels(f"the label {label!r:.80} comes {times} times; send each label once")
        return labels
