"""Who asks, and how often: a limit for each person, in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


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
