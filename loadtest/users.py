"""Simulated users. Every reply is checked: a wrong answer is a failure, and so is a wrong refusal."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from locust import FastHttpUser, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, ResponseContextManager

from loadtest.refusals import RefusedRequest, refused_requests
from loadtest.replies import read_field, wrong_answer
from loadtest.samples import ModelQuestion, model_questions
from loadtest.zipf import zipf_weights
from vqaops.unseen_pictures import TAG_BYTES, unseen_copy

BAD_SHARE = 0.2
"""Share of bad requests among those of ``Mixed``."""


def body_of(reply: ResponseContextManager) -> bytes:
    """Return the body, empty if it broke off: locust would not count a request whose task raises."""
    try:
        return reply.content or b""
    except FAILURE_EXCEPTIONS:
        return b""


class CheckedUser(FastHttpUser):
    """A user with a token and a pace, whose replies are checked.

    With ``--throughput`` each request is due at a fixed time, whether or not the last one is answered, and its response
    time counts from then. Otherwise a slow server would get fewer requests, and its worst times would not be measured
    (coordinated omission). locust's ``constant_throughput`` drops late requests instead.
    """

    abstract = True
    host = "http://127.0.0.1:8080"
    network_timeout = connection_timeout = 60.0
    number = itertools.count()

    def on_start(self) -> None:
        """Read the questions, seed this user's random numbers, and wait until the first request is due."""
        options = self.environment.parsed_options
        assert options is not None
        self.questions = model_questions(tuple(options.recipes))
        self.header_file = Path(options.header_file)
        worker = getattr(self.environment.runner, "worker_index", 0)
        self.random = random.Random(f"{options.seed} {worker} {next(self.number)}")
        self.interval = 1 / options.throughput if options.throughput else 0.0
        # Users start at once; their requests are spread over the interval.
        self.due = time.perf_counter() + self.random.random() * self.interval
        time.sleep(max(0.0, self.due - time.perf_counter()))

    def wait_time(self) -> float:
        """Return the seconds until the next request is due."""
        self.due += self.interval
        return max(0.0, self.due - time.perf_counter()) if self.interval else 0.0

    def unseen(self, picture: bytes) -> bytes:
        """Return a copy of a picture that no cache has seen; the same seed gives the same copies."""
        return unseen_copy(picture, self.random.randbytes(TAG_BYTES))

    def ask(self, question: ModelQuestion, picture: bytes | None = None) -> None:
        """Ask a question about its own picture or another file of it; another answer is a failure."""
        with self.send(question.model, question.form, picture or question.picture) as reply:
            body = body_of(reply)
            if reply.status_code != 200:
                reply.failure(f"{reply.status_code} {body[:200]!r}" if body else f"{reply.status_code} {reply.error}")
            elif fault := wrong_answer(body, question.answers):
                reply.failure(f"wrong: to {question.title!r} {fault}")

    def ask_badly(self, model: str, request: RefusedRequest) -> None:
        """Send a bad request; anything but the right refusal is a failure."""
        with self.send(model, request.form, request.picture, name="refused") as reply:
            body = body_of(reply)
            got = (reply.status_code, read_field(body, "type") or body[:200] or reply.error)
            if got == (request.status, request.type):
                reply.success()
            else:
                reply.failure(f"wrong refusal: {got}, not {(request.status, request.type)}")

    def send(
        self, model: str, form: dict[str, str], picture: bytes | None, name: str | None = None
    ) -> ResponseContextManager:
        """POST a form; the request appears as ``USER/name`` in locust's figures, by default with the model's name."""
        # Read each time: renewing a token makes the old one invalid.
        header, _, value = self.header_file.read_text(encoding="utf-8").strip().partition(": ")
        request: dict[str, Any] = {"files": {"image": ("picture", picture)}} if picture is not None else {}
        reply: ResponseContextManager = self.client.post(
            f"/predictions/{quote(model, safe='')}",
            name=f"{type(self).__name__}/{name or model}",
            headers={header: value},
            data=form,
            catch_response=True,
            **request,
        )
        if self.interval:
            reply.request_meta["response_time"] = 1000 * (time.perf_counter() - self.due)
        return reply


class SingleQuestion(CheckedUser):
    """Asks one question after the other, each about a picture that no cache has seen."""

    @task
    def ask_one(self) -> None:
        """Ask a random question."""
        question = self.random.choice(self.questions)
        self.ask(question, self.unseen(question.picture))


class Chat(CheckedUser):
    """Shows an unseen picture, asks every question about it, then shows the next one."""

    def on_start(self) -> None:
        """Start without a picture."""
        super().on_start()
        self.picture = b""
        self.remaining: list[ModelQuestion] = []

    @task
    def ask_next(self) -> None:
        """Ask the next question about the picture."""
        if not self.remaining:
            shown = self.random.choice(self.questions).picture
            self.picture = self.unseen(shown)
            self.remaining = [one for one in self.questions if one.picture == shown]
        self.ask(self.remaining.pop(), self.picture)


class Popular(CheckedUser):
    """Asks the same few questions about the same few pictures, by Zipf's law."""

    @task
    def ask_popular(self) -> None:
        """Ask a question by its popularity."""
        self.ask(self.random.choices(self.questions, zipf_weights(len(self.questions)))[0])


class Mixed(CheckedUser):
    """Asks good questions, and sends a share of bad requests, each with its own right refusal."""

    @task
    def ask_well_or_badly(self) -> None:
        """Ask a question, or send a bad request."""
        question = self.random.choice(self.questions)
        if self.random.random() < BAD_SHARE:
            self.ask_badly(question.model, self.random.choice(refused_requests(question.picture)))
        else:
            self.ask(question)
