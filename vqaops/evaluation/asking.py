"""Many questions put to a running server."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from vqaops.evaluation.scores import Prediction
from vqaops.questions import Question
from vqaops.server.client import Client

TOP_K = 10
"""Answers asked for: enough for top-5 and for questions with several expected answers."""


def ask_all(client: Client, model: str, questions: Sequence[Question], connections: int) -> list[Prediction]:
    """Ask every question, several at a time, in order, with a progress bar.

    Raises:
        ServerError: The server refused a question or went away.
    """

    def ask(question: Question) -> Prediction:
        reply = client.ask(model, question.read_image(), question.text, TOP_K)
        ranked = [answer["answer"] for answer in reply["answers"]]
        return Prediction(ranked, reply["confidence"], question.answers)

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with ThreadPoolExecutor(connections) as pool, Progress(*columns, console=Console(stderr=True)) as progress:
        return list(progress.track(pool.map(ask, questions), total=len(questions), description=f"asking {model}"))
