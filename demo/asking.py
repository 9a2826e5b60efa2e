"""Asks the server one question, and turns every outcome into something a person can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client, RefusedRequest
from vqaops.server.replies import ranked_answers

DOWN = "The server does not answer at the moment. Your conversation is kept; please try again shortly."
NOT_SERVED = "This model is not served any more. Please choose another one."
BUSY = "The server has too much to do at the moment. Please try again in a few seconds."
FAULT = "The server could not answer this question. Please try again; the request id is {id}."


class AskProblem(Exception):
    """The server gave no answer; the message is one sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """An answer for the page.

    Attributes:
        ranked: Text and score of each answer, best first.
        abstained: Whether the best score is below the recipe's threshold.
        warnings: What the server says about how it read picture and question.
        model: The model that answered.
        version: Its version.
    """

    ranked: tuple[tuple[str, float], ...]
    abstained: bool
    warnings: tuple[str, ...]
    model: str
    version: str

    @property
    def best(self) -> str:
        """The text of the best answer."""
        return self.ranked[0][0]


@dataclass(frozen=True, slots=True)
class PageExplanation:
    """What an answer rests on.

    Attributes:
        answer: The answer.
        grid: Weights in [0, 1] of equal parts of the picture, in rows from the top left.
        words: The words of the question and their weights in [0, 1].
    """

    answer: str
    grid: tuple[tuple[float, ...], ...]
    words: tuple[tuple[str, float], ...]


def _questions(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _whole(text: str) -> list[str]:
    return [text.strip()] if text.strip() else []


@dataclass(frozen=True, slots=True)
class Asking:
    """How people ask a task.

    Attributes:
        split: Turns what was typed into what is asked one after the other.
        placeholder: The hint in the empty text box.
    """

    split: Callable[[str], list[str]]
    placeholder: str


TASKS = {
    "visual_question_answering": Asking(_questions, "Ask about the picture"),
    "zero_shot_image_classification": Asking(_whole, "Captions to compare: a cat, a dog"),
    "image_classification": Asking(lambda text: [""], "Add a picture and press Enter"),
}
"""By the task that the server's description names."""


def ask(client: Client, key: str, picture: bytes, form: Mapping[str, str], top_k: int) -> PageAnswer:
    """Ask a version about a picture.

    Args:
        client: The server's client, with its retries.
        key: ``NAME/VERSION``.
        picture: The picture file.
        form: The other fields of the form.
        top_k: Ranked answers wanted.

    Raises:
        AskProblem: There is no answer.
    """
    with problems_for_people():
        content = client.ask(key, picture, form, top_k)
    name, version = content["model"]["name"], content["model"]["version"]
    warnings = tuple(content.get("warnings", ()))
    return PageAnswer(tuple(ranked_answers(content)), bool(content.get("abstained")), warnings, name, version)


def explain(client: Client, key: str, picture: bytes, form: Mapping[str, str], answer: str) -> PageExplanation:
    """Ask a version what an answer rests on.

    Args:
        client: The server's client.
        key: ``NAME/VERSION``.
        picture: The picture file.
        form: The other fields of the form that was answered.
        answer: The answer.

    Raises:
        AskProblem: There is no explanation.
    """
    with problems_for_people():
        said = client.explain(key, picture, form, answer)["explanation"]
    words = tuple((one["word"], one["weight"]) for one in said["words"])
    return PageExplanation(said["answer"], tuple(map(tuple, said["grid"])), words)


@contextmanager
def problems_for_people() -> Iterator[None]:
    """Turn what the client raises into one sentence for people.

    Raises:
        AskProblem: The server refuses, fails, or does not answer.
    """
    try:
        yield
    except RefusedRequest as refused:
        raise AskProblem(_problem(refused.response)) from None
    except (httpx.HTTPError, ServerError, OSError, ValueError):
        raise AskProblem(DOWN) from None


def _problem(reply: httpx.Response) -> str:
    """What an error says, in words for people."""
    if reply.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS):
        return BUSY
    if reply.status_code == httpx.codes.NOT_FOUND:
        return NOT_SERVED
    if reply.status_code in (400, 413, 422):
        try:
            return f"The server cannot answer this: {reply.json()['message']}."
        except (ValueError, LookupError, TypeError):
            return "The server cannot read this request; the picture may be too large."
    return FAULT.format(id=reply.headers.get("x-request-id", "unknown"))
