"""Clients that ask questions in the background and check every answer while a fault is injected."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from loadtest.faults.faulty_archives import COLOURS, MODEL, answer, picture
from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.retry import NEVER, RetryPolicy

CONNECTIONS = 4
PAUSE_SECONDS = 0.02
"""Between an answer and the connection's next question: the workers get batches and are not overloaded."""
SLOW_SECONDS = 1
HEALTHY_SECONDS = 90
GOOD_IN_A_ROW = 20


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """One question: when it was sent and answered (``time.monotonic``), and what was wrong with the reply."""

    began: float
    ended: float
    failure: str = ""
    wrong: str = ""

    @property
    def seconds(self) -> float:
        """Seconds until the reply."""
        return self.ended - self.began

    @property
    def good(self) -> bool:
        """Whether the right answer came in time."""
        return not self.failure and not self.wrong and self.seconds <= SLOW_SECONDS


@dataclass
class BackgroundClient:
    """Sends questions over several connections until its block ends, through the library's client and its retries.

    Attributes:
        client: Where and how to ask; its connection pool and retry policy are not used.
        retry: When a request is sent again.
        requests: Finished requests, in the order of their ends.
    """

    client: Client
    retry: RetryPolicy
    requests: list[CheckedRequest] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._numbers = itertools.count()
        self._client = replace(self.client, http=self.client.addresses.pool(), retry=self.retry)
        self._threads = [threading.Thread(target=self._ask_until_over) for _ in range(CONNECTIONS)]
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

    def healthy_since(self, moment: float) -> bool:
        """Return whether the last 20 requests that were sent after ``moment`` are all good."""
        later = [one for one in self.requests[-2 * GOOD_IN_A_ROW :] if one.began > moment][-GOOD_IN_A_ROW:]
        return len(later) == GOOD_IN_A_ROW and all(one.good for one in later)

    def _ask_until_over(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            number = next(self._numbers)
            colour = list(COLOURS)[number % len(COLOURS)]
            question, expected = f"question {number}?", answer(colour, f"question {number}?")
            began = time.monotonic()
            try:
                given = self._client.ask(MODEL, picture(colour), question)["answer"]
            except ServerError as error:
                self.requests.append(CheckedRequest(began, time.monotonic(), failure=str(error)))
            else:
                wrong = "" if given == expected else f"{given!r}, not {expected!r}"
                self.requests.append(CheckedRequest(began, time.monotonic(), wrong=wrong))


@dataclass(frozen=True, slots=True)
class ClientSummary:
    """What one client saw.

    Attributes:
        asked: Questions.
        failures: Number of failures by status, or ``no answer``.
        wrong: Wrong answers, in words; always empty on a correct server.
        slowest: Seconds of the slowest question, failed ones included.
        recovered: Seconds from a fault to the end of the last question that was not good; the longest of all faults.
    """

    asked: int
    failures: dict[str, int]
    wrong: tuple[str, ...]
    slowest: float
    recovered: float

    @property
    def failed(self) -> int:
        """Number of failures."""
        return sum(self.failures.values())


@dataclass
class ClientPair:
    """A client that sends each request once, and one that retries.

    Attributes:
        faults: When faults were injected (``time.monotonic``).
    """

    plain: BackgroundClient
    retrying: BackgroundClient
    faults: list[float] = field(default_factory=list)

    def mark_fault(self) -> None:
        """Record that a fault is injected now."""
        self.faults.append(time.monotonic())

    def wait_until_healthy(self) -> None:
        """Wait until both clients get good answers to what they send from now on.

        Raises:
            ServerError: They do not in time.
        """
        now, clients = time.monotonic(), (self.plain, self.retrying)
        while not all(client.healthy_since(now) for client in clients):
            if time.monotonic() > now + HEALTHY_SECONDS:
                last = [client.requests[-1].failure for client in clients if client.requests]
                raise ServerError(f"clients get no good answers again within {HEALTHY_SECONDS} s: {last}")
            time.sleep(0.1)

    def summaries(self) -> tuple[ClientSummary, ClientSummary]:
        """Return what the plain client and the retrying one saw."""
        return summarise(self.plain.requests, self.faults), summarise(self.retrying.requests, self.faults)


@contextmanager
def client_pair(client: Client) -> Iterator[ClientPair]:
    """Yield two clients that ask until the block ends, as soon as both get good answers.

    Raises:
        ServerError: They get none in time.
    """
    with BackgroundClient(client, NEVER) as plain, BackgroundClient(client, RetryPolicy()) as retrying:
        pair = ClientPair(plain, retrying)
        pair.wait_until_healthy()
        yield pair


def summarise(requests: Sequence[CheckedRequest], faults: Sequence[float]) -> ClientSummary:
    """Return the figures of one client, given the times at which faults were injected."""
    recovered = 0.0
    for fault, following in itertools.pairwise([*faults, float("inf")]):
        ends = [one.ended for one in requests if fault <= one.ended and one.began < following and not one.good]
        recovered = max([recovered, *(end - fault for end in ends)])
    return ClientSummary(
        asked=len(requests),
        failures=dict(Counter(_kind(one.failure) for one in requests if one.failure).most_common()),
        wrong=tuple(one.wrong for one in requests if one.wrong),
        slowest=max((one.seconds for one in requests), default=0.0),
        recovered=recovered,
    )


def _kind(failure: str) -> str:
    reply = failure.partition(" answered ")[2]
    return reply[:3] if reply else "no answer"
