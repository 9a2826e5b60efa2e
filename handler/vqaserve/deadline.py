"""The client's deadline, from ``X-Request-Start: t=<unix seconds>`` and ``X-Timeout-Ms``.

TorchServe's queue has no time limit, so a request whose client has given up would still cost a forward pass. Proxies
set the first header (nginx: ``"t=${msec}"``), clients the second. The clocks of the two machines must agree: if the
proxy's clock is slow by more than the timeout, every request is refused; if it is fast, the timeout grows by as much.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping

from vqaserve.errors import BadRequest, DeadlineExceeded

_MILLISECONDS = 1e11  # larger Unix times are not in seconds: some proxies send milliseconds or microseconds
START, TIMEOUT = "x-request-start", "x-timeout-ms"


def read_deadline(headers: Mapping[str, str]) -> float:
    """Return a request's deadline, unless it has passed.

    Args:
        headers: By lower-cased name.

    Returns:
        Unix seconds; infinity if the request has none.

    Raises:
        DeadlineExceeded: The deadline has passed.
        BadRequest: The timeout cannot be read, or it has no start time.
    """
    if TIMEOUT not in headers:
        return math.inf
    timeout = _number(r"\d{1,9}", headers[TIMEOUT].strip())
    if timeout is None:
        raise BadRequest(f"X-Timeout-Ms is {headers[TIMEOUT]!r:.40}; send whole milliseconds, such as 5000")
    start = start_time(headers)
    if start is None:
        raise BadRequest(
            f"X-Timeout-Ms came with X-Request-Start {headers.get(START)!r:.40}; "
            "send the time of the request in Unix seconds, such as t=1700000000.123"
        )
    late = time.time() - start - timeout / 1000
    if late >= 0:
        raise DeadlineExceeded(
            f"the request's deadline of {timeout:,.0f} ms passed {late:.3f} s before its turn, so it was not answered; "
            "send a longer X-Timeout-Ms, or try again when the server is less busy"
        )
    return start + timeout / 1000


def late_error() -> DeadlineExceeded:
    """The error of a request whose deadline passed while its answer was written."""
    return DeadlineExceeded(
        "the request's deadline passed while its answer was written; send a longer X-Timeout-Ms, or a smaller limit on "
        "the answer's tokens"
    )


def start_time(headers: Mapping[str, str]) -> float | None:
    """Return when a proxy received the request, in Unix seconds; None if no header says so readably."""
    start = _number(r"(?:t=)?\d{1,16}(?:\.\d{1,9})?", headers.get(START, "").strip())
    while start is not None and start > _MILLISECONDS:
        start /= 1000
    return start


def _number(pattern: str, text: str) -> float | None:
    return float(text.removeprefix("t=")) if re.fullmatch(pattern, text, re.ASCII) else None
