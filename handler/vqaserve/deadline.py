"""When a client has given up: ``X-Request-Start: t=<unix seconds>`` and ``X-Timeout-Ms`` together.

TorchServe's queue has no time limit, so a request whose client is gone would still cost a forward. The first header is
what proxies set (nginx: ``"t=${msec}"``), the second the client's. The clocks of the two machines must agree: one that
is behind ours by more than the timeout has all of its requests refused, one that is ahead is granted that much more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from vqaserve.errors import BadRequest, DeadlineExceeded

_MILLISECONDS = 1e11  # from here on a Unix time is not in seconds: some proxies send milli- or microseconds
START, TIMEOUT = "x-request-start", "x-timeout-ms"


def check_deadline(headers: Mapping[str, str]) -> None:
    """Refuse a request that nobody waits for any more.

    Args:
        headers: By lower-cased name.

    Raises:
        DeadlineExceeded: Its time is up.
        BadRequest: There is a timeout that cannot be read, or no time from which it counts.
    """
    if TIMEOUT not in headers:
        return
    timeout = _number(r"\d{1,9}", headers[TIMEOUT])
    if timeout is None:
        raise BadRequest(f"X-Timeout-Ms is {headers[TIMEOUT]!r:.40}; send whole milliseconds, such as 5000")
    start = began(headers)
    if start is None:
        raise BadRequest(
            f"X-Timeout-Ms came with X-Request-Start {headers.get(START)!r:.40}; "
            "send the time from which it counts in unix seconds, such as t=1700000000.123"
        )
    late = time.time() - start - timeout / 1000
    if late >= 0:
        raise DeadlineExceeded(
            f"the request's {timeout:,.0f} ms were over {late:.3f} s ago, before its turn came; it was not answered: "
            "ask again with a longer X-Timeout-Ms, or when the server is less busy"
        )


def began(headers: Mapping[str, str]) -> float | None:
    """When a proxy took the request, in Unix seconds; None where nobody says so in a way that can be read."""
    start = _number(r"(?:t=)?\d{1,16}(?:\.\d{1,9})?", headers.get(START, ""))
    while start is not None and start > _MILLISECONDS:
        start /= 1000
    return start


def _number(pattern: str, text: object) -> float | None:
    return float(str(text).removeprefix("t=")) if re.fullmatch(pattern, str(text), re.ASCII) else None
