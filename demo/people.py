"""Who asks, and how often: a limit for each person, in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from demo.settings import PageSettings

if TYPE_CHECKING:
    import gradio as gr


class RateLimit:
    """Counts what each person does, such as questions, in the last 60 seconds."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, person: str) -> int:
        """Count a question of a person; return 0, or the seconds until the next is allowed, which is not counted."""
        if self._limiter.hit(self._item, person):
            return 0
        return self._seconds(person)

    def seconds_left(self, person: str) -> int:
        """As ``seconds_to_wait``, but count nothing."""
        return 0 if self._limiter.test(self._item, person) else self._seconds(person)

    def _seconds(self, person: str) -> int:
        free_at: float = self._limiter.get_window_stats(self._item, person).reset_time
        return max(1, math.ceil(free_at - time.time()))


class QuestionLimit:
    """How much a person may ask on the page."""

    def __init__(self, settings: PageSettings) -> None:
        self._settings = settings
        self._limit = RateLimit(settings.per_minute)

    def refusal(self, request: gr.Request) -> str:
        """Count a question of the person who sent a request; return "", or a sentence that says how long to wait."""
        address = request.client.host if request.client else ""
        headers = {name.lower(): value for name, value in request.headers.items()}
        seconds = self._limit.seconds_to_wait(person_of(address, headers, self._settings.trust_proxy))
        if not seconds:
            return ""
        most = _count("question", self._settings.per_minute)
        return f"You can ask {most} a minute. Please ask again in {_count('second', seconds)}."


def person_of(address: str, headers: Mapping[str, str], trust_proxy: bool) -> str:
    """Whom a request counts for: the client's address.

    Args:
        address: The address of the connection.
        headers: The request's headers, by lower-case name.
        trust_proxy: Whether the connection comes from a proxy of ours. It adds the client's address as the last of
            ``X-Forwarded-For``; those before it are what the client wrote itself.
    """
    forwarded = headers.get("x-forwarded-for", "") if trust_proxy else ""
    return forwarded.rpartition(",")[2].strip() or address


def _count(noun: str, number: int) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
