"""Predictions: the answers of a running server to the questions of a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from vqaops.console import new_console
from vqaops.errors import ServerError
from vqaops.evaluation.scores import Prediction
from vqaops.questions import Question
from vqaops.server.client import Client, RefusedRequest
from vqaops.server.replies import ranked_answers

TOP_K = 10
"""Answers to each question: enough for top-5, and for questions with several correct answers."""


@dataclass(frozen=True, slots=True)
class PredictionRun:
    """The predictions for a list of questions, in its order.

    Attributes:
        predictions: One for each question.
        questions_per_second: The rate at which they were answered.
    """

    predictions: list[Prediction]
    questions_per_second: float


def predict(client: Client, model: str, questions: Sequence[Question], connections: int) -> PredictionRun:
    """Ask every question, some at the same time, and show a progress bar.

    Args:
        client: Client of the server.
        model: Name of a model.
        questions: At least one question.
        connections: Questions asked at the same time.

    Raises:
        RecipeError: A picture cannot be read.
        ServerError: The server went away, or refused a question; the message names its file and line.
    """

    def ask(question: Question) -> Prediction:
        try:
            reply = client.ask(model, question.read_image(), question.form, min(TOP_K, len(question.labels) or TOP_K))
        except RefusedRequest as error:
            raise RefusedRequest(f"{question.source}: {error}", error.response) from None
        try:
            ranked = [answer for answer, _ in ranked_answers(reply)]
            confidence = float(reply["confidence"])
        except (KeyError, TypeError, ValueError, AttributeError):
            ranked = []
        if not ranked:
            raise ServerError(f"{question.source}: {model} answered {reply!r:.100}, which holds no ranked answers")
        return Prediction(ranked, confidence, question.answers, "abstained" in reply)

    began = time.perf_counter()
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    console = new_console(stderr=True)
    # Outside of a terminal, a bar would be one more line before an error.
    shown = Progress(*columns, console=console, disable=not console.is_terminal)
    with ThreadPoolExecutor(connections) as pool, shown as progress:
        asked = pool.map(ask, questions)
        predictions = list(progress.track(asked, total=len(questions), description=escape(f"asking {model}")))
    return PredictionRun(predictions, len(questions) / (time.perf_counter() - began))
