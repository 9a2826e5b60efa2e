"""Comparison of a model's answers to questions and to the same questions reworded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from vqaops.evaluation.predictions import predict
from vqaops.evaluation.rewording import reword
from vqaops.evaluation.scores import Prediction, compute_scores
from vqaops.questions import Question
from vqaops.server.client import Client


@dataclass(frozen=True, slots=True)
class WordingComparison:
    """Scores of the questions that can be reworded, as shares in [0, 1]; all 0 if there are none.

    Attributes:
        questions: How many questions were reworded.
        top1: Exact match in the original wording.
        top1_reworded: Exact match in the new wording.
        same_answer: Share of questions with the same best answer in both wordings.
    """

    questions: int = 0
    top1: float = 0.0
    top1_reworded: float = 0.0
    same_answer: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def compare_wordings(
    client: Client, model: str, questions: Sequence[Question], predictions: Sequence[Prediction], connections: int
) -> WordingComparison:
    """Ask again every question that can be reworded, in a wording that no training used.

    Args:
        client: Client of the server.
        model: Name of a model.
        questions: The questions in their original wording.
        predictions: Their predictions, in the same order.
        connections: Questions asked at the same time.

    Raises:
        RecipeError, ServerError: As ``predict``.
    """
    wordings = [
        (question, before, reword(question.text)) for question, before in zip(questions, predictions, strict=True)
    ]
    reworded = [(replace(question, text=text), before) for question, before, text in wordings if text is not None]
    if not reworded:
        return WordingComparison()
    after = predict(client, model, [question for question, _ in reworded], connections).predictions
    original = [before for _, before in reworded]
    same = sum(one.ranked[0] == other.ranked[0] for one, other in zip(original, after, strict=True))
    return WordingComparison(
        questions=len(reworded),
        top1=compute_scores(original).top1,
        top1_reworded=compute_scores(after).top1,
        same_answer=same / len(reworded),
    )
