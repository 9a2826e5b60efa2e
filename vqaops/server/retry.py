"""When a request is sent again, how long after, and for how long altogether.

Predictions change nothing on the server, so each may be asked again. Sent again is what another moment can cure:

- nobody answers: the connection is refused, reset or cut off, or the answer does not come in time;
- 429, 502, 503: too many at once, a gateway without an upstream, a full queue;
- 500 and 507 with "Worker died.": the question was in a process that ended. Another one answers it.

Any other reply is an answer, errors of ours included: asking again would bring the same.
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
"""That hang, in a policy's time."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential waits with full jitter, so that clients that failed together do not come back together.

    Attributes:
        seconds: No attempt starts later than this after the first, and later attempts end then; 0 is never again.
            An attempt gets a third of it, so that one that hangs leaves time for others.
        first_wait: The most seconds before the second attempt; doubled for each further one.
        longest_wait: The most seconds before any attempt, unless ``Retry-After`` asks for more.
    """

    seconds: float = 60
    first_wait: float = 0.1
    longest_wait: float = 5

    def send(self, attempt: Callable[[float | None], httpx.Response]) -> httpx.Response:
        """The first reply that is an answer, or the last attempt's reply.

        Args:
            attempt: Sends the request once; takes the most seconds that it may wait, None for the client's own limit.

        Raises:
            httpx.TransportError: The last attempt got no reply.
        """
        began = time.monotonic()

        def once() -> httpx.Response:
            if not self.seconds:
                return attempt(None)
            left = self.seconds - (time.monotonic() - began)
            # A tenth of a second for an attempt that starts at the very end.
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
    """Seconds that the server asks to wait (RFC 9110, 10.2.3: a number or a date); 0 if it asks for none."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # absent, or neither: the header is only advice
        return 0.0


def is_passing(reply: httpx.Response) -> bool:
    """Whether the reply tells of the moment and not of the request."""
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
