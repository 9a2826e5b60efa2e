"""Requests at a fixed rate whatever becomes of them: an open loop, with send times that are fixed in advance."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx

from loadtest.replies import wrong_answer

MOST_OPEN = 4000
"""Requests without an answer at a time; what is due beyond it is counted and not sent."""
ANSWER_SECONDS = 60
PLACE = b"00000000"
"""Stands in a template where each request has a number of its own."""


@dataclass(frozen=True, slots=True)
class Template:
    """A form with a picture, encoded once; each request's differs in the last bytes of the picture's file."""

    url: str
    headers: dict[str, str]
    body: bytes
    answers: tuple[str, ...]

    @classmethod
    def of(cls, url: str, header: dict[str, str], picture: bytes, question: str, answers: Sequence[str]) -> Template:
        """A question about a picture, and the answers that are right."""
        # Decoders stop before what follows a picture, caches do not: every request is a new picture.
        request = httpx.Request("POST", url, data={"question": question}, files={"image": picture + PLACE})
        body = request.read()
        assert body.count(PLACE) == 1
        return cls(url, {**header, "Content-Type": request.headers["content-type"]}, body, tuple(answers))

    def numbered(self, number: int) -> bytes:
        return self.body.replace(PLACE, b"%08d" % number)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: when it was due and sent and answered, in seconds after the start; status 0 is no answer."""

    due: float
    sent: float
    answered: float
    status: int
    wrong: str = ""

    @property
    def seconds(self) -> float:
        """From when it was due."""
        return self.answered - self.due


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of all requests.

    Attributes:
        sent: Every request that was sent.
        unsent: How many were due while ``MOST_OPEN`` had no answer.
    """

    sent: list[Sent]
    unsent: int

    def of_status(self, status: int) -> list[Sent]:
        return [one for one in self.sent if one.status == status]

    @property
    def statuses(self) -> Counter[int]:
        return Counter(one.status for one in self.sent)

    @property
    def wrong(self) -> list[str]:
        return [one.wrong for one in self.sent if one.wrong]

    @property
    def lag(self) -> float:
        """Seconds that the slowest percent of the requests left late: the generator's own fault."""
        return percentile([one.sent - one.due for one in self.sent], 99)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` percent do not exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))] if ordered else 0.0


async def storm(templates: Sequence[Template], rate: float, seconds: float, socket: Path | None = None) -> Storm:
    """Send ``rate`` requests a second for some seconds, then wait for what is still open."""
    sent: list[Sent] = []
    unsent = 0
    connector = aiohttp.UnixConnector(str(socket), limit=0) if socket else aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as open_ones:
        tasks: set[asyncio.Task[None]] = set()
        began = time.perf_counter()

        async def send(number: int, due: float) -> None:
            template = templates[number % len(templates)]
            left = time.perf_counter() - began
            status, wrong = await _ask(session, template, number)
            sent.append(Sent(due, left, time.perf_counter() - began, status, wrong))

        for number in range(int(rate * seconds)):
            due = number / rate
            if (early := due - (time.perf_counter() - began)) > 0:
                await asyncio.sleep(early)
            if len(tasks) >= MOST_OPEN:
                unsent += 1
                continue
            task = open_ones.create_task(send(number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    return Storm(sent, unsent)


async def closed_loop(templates: Sequence[Template], lanes: int, seconds: float) -> Storm:
    """Each lane asks, at least once, as soon as it has its answer; with enough lanes, as much as can be answered."""
    sent: list[Sent] = []
    began = time.perf_counter()
    numbers = iter(range(50_000_000, 60_000_000))

    async def lane(session: aiohttp.ClientSession) -> None:
        left = 0.0
        while True:
            number = next(numbers)
            status, wrong = await _ask(session, templates[number % len(templates)], number)
            ended = time.perf_counter() - began
            sent.append(Sent(left, left, ended, status, wrong))
            if (left := ended) >= seconds:
                return

    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane(session))
    return Storm(sent, 0)


async def _ask(session: aiohttp.ClientSession, template: Template, number: int) -> tuple[int, str]:
    """Status, and what was wrong with a given answer; 0 without a reply."""
    try:
        async with session.post(template.url, data=template.numbered(number), headers=template.headers) as reply:
            body = await reply.read()
    except (aiohttp.ClientError, TimeoutError):
        return 0, ""
    if reply.status != 200:
        return reply.status, ""
    return 200, wrong_answer(body, template.answers)
