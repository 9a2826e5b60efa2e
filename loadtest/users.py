"""Four kinds of users. Each reply is checked: a wrong answer is a failure, and so is a wrong refusal."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, ResponseContextManager

from loadtest.questions import (
    Question,
    Refused,
    new_picture,
    popular,
    read_field,
    read_questions,
    refusals,
    wrong_answer,
)

REFUSED_SHARE = 0.2
"""Of what ``Mixed`` sends."""


def body_of(reply: ResponseContextManager) -> bytes:
    """What came; nothing if it broke off. An exception here would leave the request out of locust's figures."""
    try:
        return reply.content or b""
    except FAILURE_EXCEPTIONS:
        return b""


class Asker(FastHttpUser):
    """What all users share: the token, the pace, and the check of a reply.

    With ``--throughput`` a request is due at a fixed time whether or not the last one is answered, and its response
    time counts from then. Otherwise a slow server would be asked less often, and just the worst times not be
    measured (coordinated omission). locust's ``constant_throughput`` gives up what is late, hence the own pace.
    """

    abstract = True
    host = "http://127.0.0.1:8080"
    network_timeout = connection_timeout = 60.0
    number = itertools.count()

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self.questions = read_questions(tuple(options.recipes))
        self.header_file = Path(options.header_file)
        machine = getattr(self.environment.runner, "worker_index", 0)
        self.random = random.Random(f"{options.seed} {machine} {next(self.number)}")
        self.interval = 1 / options.throughput if options.throughput else 0.0
        self.due = time.perf_counter()
        # Users start together, and their requests should not come together.
        self.due += self.random.random() * self.interval
        time.sleep(max(0.0, self.due - time.perf_counter()))

    def wait_time(self) -> float:
        self.due += self.interval
        return max(0.0, self.due - time.perf_counter()) if self.interval else 0.0

    def ask(self, question: Question) -> None:
        with self.send(question.model, {"question": question.text}, question.picture) as reply:
            body = body_of(reply)
            if reply.status_code != 200:
                reply.failure(f"{reply.status_code} {body[:200]!r}" if body else f"{reply.status_code} {reply.error}")
            elif fault := wrong_answer(body, question.answers):
                reply.failure(f"wrong: to {question.text!r} {fault}")

    def send(
        self, model: str, form: dict[str, str], picture: bytes | None, name: str | None = None
    ) -> ResponseContextManager:
        # Read each time: a renewed token ends the old one at once.
        header, _, value = self.header_file.read_text(encoding="utf-8").strip().partition(": ")
        request: dict[str, Any] = {"files": {"image": ("picture", picture)}} if picture is not None else {}
        reply = self.client.post(
            f"/predictions/{model}",
            name=f"{type(self).__name__}/{name or model}",
            headers={header: value},
            data=form,
            catch_response=True,
            **request,
        )
        if self.interval:
            reply.request_meta["response_time"] = 1000 * (time.perf_counter() - self.due)
        return reply


class SingleQuestion(Asker):
    """Asks one question after the other, each about a picture that the server has not seen."""

    @task
    def one(self) -> None:
        question = self.random.choice(self.questions)
        picture = new_picture(question.picture, self.random.getrandbits(64))
        self.ask(Question(question.model, picture, question.text, question.answers))


class Chat(Asker):
    """Shows a new picture and asks everything about it, then the next picture."""

    def on_start(self) -> None:
        super().on_start()
        self.left: list[Question] = []

    @task
    def next_question(self) -> None:
        if not self.left:
            shown = self.random.choice(self.questions).picture
            picture = new_picture(shown, self.random.getrandbits(64))
            about = [one for one in self.questions if one.picture == shown]
            self.left = [Question(one.model, picture, one.text, one.answers) for one in about]
        self.ask(self.left.pop())


class Popular(Asker):
    """Asks the same few questions about the same few pictures, the first of them most often."""

    @task
    def one_of_few(self) -> None:
        self.ask(self.random.choices(self.questions, popular(self.questions))[0])


class Mixed(Asker):
    """Good questions, and a share that must be refused, each with its own status and type."""

    @task
    def good_or_bad(self) -> None:
        question = self.random.choice(self.questions)
        if self.random.random() < REFUSED_SHARE:
            self.expect(question.model, self.random.choice(refusals(question.picture)))
        else:
            self.ask(question)

    def expect(self, model: str, refused: Refused) -> None:
        with self.send(model, refused.form, refused.picture, name="refused") as reply:
            body = body_of(reply)
            came = (reply.status_code, read_field(body, "type") or body[:200] or reply.error)
            if came == (refused.status, refused.type):
                reply.success()
            else:
                reply.failure(f"wrong refusal: {came}, not {(refused.status, refused.type)}")
