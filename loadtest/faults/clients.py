"""Questions in the background, each answer checked, while something else happens to the server."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from loadtest.faults.archives import COLOURS, MODEL, answer, picture
from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.retry import RetryPolicy

LANES = 4
PAUSE = 0.02
"""Seconds between an answer and the same lane's next question: enough for a batch, and not a load test."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: when it was asked and answered (``time.monotonic``), and what was wrong with the reply."""

    began: float
    ended: float
    failure: str = ""
    wrong: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Traffic:
    """Lanes that ask one question after the other until the block ends.

    Attributes:
        client: Who asks; its pool is not shared with another one, and its own retry policy does not count.
        retry: When a question is asked again.
        model: Model, or ``MODEL/VERSION``.
        asked: What came, in the order in which it came.
    """

    client: Client
    retry: RetryPolicy
    model: str = MODEL
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._numbers = itertools.count()
        self._client = replace(self.client, http=self.client.addresses.pool(), retry=self.retry)
        self._threads = [threading.Thread(target=self._lane) for _ in range(LANES)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._client.http.close()

    def _lane(self) -> None:
        while not self._over.wait(PAUSE):
            number = next(self._numbers)
            colour = list(COLOURS)[number % len(COLOURS)]
            question, expected = f"question {number}?", answer(colour, f"question {number}?")
            began = time.monotonic()
            try:
                given = self._client.ask(self.model, picture(colour), question)["answer"]
            except ServerError as trouble:
                self.asked.append(Asked(began, time.monotonic(), failure=str(trouble)))
            else:
                wrong = "" if given == expected else f"{given!r}, not {expected!r}"
                self.asked.append(Asked(began, time.monotonic(), wrong=wrong))


@dataclass(frozen=True, slots=True)
class Summary:
    """What a client saw.

    Attributes:
        failures: How often each kind of failure came, by its status or error.
        wrong: Answers that belong to another question; never.
        slowest: Seconds of the slowest question, failed or not.
        recovered: Seconds from a blow to the end of the last question that failed or took over a second; the
            longest of all blows.
    """

    asked: int
    failures: dict[str, int]
    wrong: tuple[str, ...]
    slowest: float
    recovered: float

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def summarise(asked: Sequence[Asked], blows: Sequence[float]) -> Summary:
    """The figures of a run in which something was done to the server at these times."""
    recovered = 0.0
    for blow, following in itertools.pairwise([*blows, float("inf")]):
        ends = [one.ended for one in asked if blow <= one.ended and one.began < following and _is_trouble(one)]
        recovered = max([recovered, *(end - blow for end in ends)])
    return Summary(
        asked=len(asked),
        failures=dict(Counter(_kind(one.failure) for one in asked if one.failure).most_common()),
        wrong=tuple(one.wrong for one in asked if one.wrong),
        slowest=max((one.seconds for one in asked), default=0.0),
        recovered=recovered,
    )


def _is_trouble(one: Asked) -> bool:
    return bool(one.failure or one.wrong) or one.seconds > 1


def _kind(failure: str) -> str:
    """The status of a reply; or that there was none."""
    words = failure.partition(" answered ")[2]
    return words[:3] if words else "no answer"
