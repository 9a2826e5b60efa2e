"""When a request is sent again, after which wait, and for how long.

Predictions change nothing on the server, so each can be sent again. These failures are retried:

- no reply: the connection is refused, reset or cut off, or the reply does not come in time;
- 429, 502, 503: too many requests, a gateway without an upstream, a full queue;
- 500 and 507 with "Worker died.": the worker that had the request ended, and another one can answer it.

Any other reply is final, errors of the handler included: the same request would fail again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from tenacity import RetryCallState, Retrying, stop_before_delay, wait_random_exponential

PASSING = frozenset({429, 502, 503})
WORKER_DIED = frozenset({500, 507})
ATTEMPTS = 3
"""Attempts that can hang until their timeout within a policy's time."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential waits with full jitter, so that clients that failed together do not return together.

    Attributes:
        seconds: Total time: no attempt starts later, and later attempts end then. 0 means a single attempt. Each
            attempt may take a third of it, so that one that hangs leaves time for others.
        first_wait: Maximum wait before the second attempt, in seconds; doubled for each further attempt.
        longest_wait: Maximum wait before any attempt, in seconds, unless ``Retry-After`` asks for more.
    """

    seconds: float = 60
    first_wait: float = 0.1
    longest_wait: float = 5

    def send(self, attempt: Callable[[float | None], httpx.Response]) -> httpx.Response:
        """Return the first final reply, or the reply of the last attempt.

        Args:
            attempt: Sends the request once; takes a timeout in seconds, or None for the client's own.

        Raises:
            httpx.TransportError: The last attempt got no reply.
        """
        began = time.monotonic()

        def once() -> httpx.Response:
            if not self.seconds:
                return attempt(None)
            left = self.seconds - (time.monotonic() - began)
            # An attempt that starts at the very end gets a tenth of a second.
            return attempt(max(0.1, min(left, self.seconds / ATTEMPTS)))

        return Retrying(
            stop=stop_before_delay(self.seconds),
            wait=self._wait,
            retry=_should_retry,
            retry_error_callback=_last_outcome,
        )(once)

    def _wait(self, state: RetryCallState) -> float:
        jittered = wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)(state)
        failed = state.outcome is None or state.outcome.failed
        return jittered if failed else max(jittered, retry_after(_reply(state)))


NEVER = RetryPolicy(seconds=0)


def retry_after(reply: httpx.Response) -> float:
    """Seconds that the server asks to wait (RFC 9110, 10.2.3: a number or a date); 0 if it does not ask."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # absent or malformed: the header is only advice
        return 0.0


def is_passing(reply: httpx.Response) -> bool:
    """Whether the same request may succeed later."""
    return reply.status_code in PASSING or (reply.status_code in WORKER_DIED and "Worker died." in reply.text)


def _should_retry(state: RetryCallState) -> bool:
    assert state.outcome is not None
    error = state.outcome.exception()
    if error is None:
        return is_passing(_reply(state))
    return isinstance(error, httpx.TransportError)


def _reply(state: RetryCallState) -> httpx.Response:
    assert state.outcome is not None
    reply: httpx.Response = state.outcome.result()
    return reply


def _last_outcome(state: RetryCallState) -> httpx.Response:
    return _reply(state)  # or raises what the last attempt raised
