"""Which requests are sent again, after which wait, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.endpoints import Addresses
from vqaops.server.retry import NEVER, RetryPolicy, retry_after

QUICK = RetryPolicy(seconds=5, first_wait=0.01, longest_wait=0.02)
DIED = {"code": 507, "type": "InternalServerException", "message": "Worker died."}
FULL = {"code": 507, "type": "OutOfMemory", "message": "one question alone does not fit into memory"}


def playing(
    *outcomes: httpx.Response | Exception,
) -> tuple[Callable[[float | None], httpx.Response], list[float | None]]:
    """An attempt with the given outcomes, in order, and the timeouts that it got."""
    given: list[float | None] = []

    def attempt(seconds: float | None) -> httpx.Response:
        given.append(seconds)
        outcome = outcomes[min(len(given), len(outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt, given


GOOD = httpx.Response(200)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("cut off"),
        httpx.Response(503, json={"type": "ServiceUnavailableException"}),
        httpx.Response(429),
        httpx.Response(502),
        httpx.Response(500, json={**DIED, "code": 500}),
        httpx.Response(507, json=DIED),
    ],
    ids=str,
)
def test_a_transient_error_is_retried(trouble: httpx.Response | Exception):
    attempt, given = playing(trouble, trouble, GOOD)
    assert QUICK.send(attempt) is GOOD
    assert len(given) == 3


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"type": "BadRequest"}),
        httpx.Response(404),
        httpx.Response(413),
        httpx.Response(422),
        httpx.Response(500, json={"type": "InternalError", "message": "it has been logged"}),
        httpx.Response(507, json=FULL),
    ],
    ids=str,
)
def test_a_refusal_is_not_retried(answer: httpx.Response):
    attempt, given = playing(answer)
    assert QUICK.send(attempt) is answer
    assert len(given) == 1


def test_after_the_time_limit_the_last_error_is_raised():
    attempt, given = playing(httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError, match="refused"):
        RetryPolicy(seconds=0.2, first_wait=0.01, longest_wait=0.02).send(attempt)
    assert len(given) > 3


def test_an_attempt_has_a_third_of_the_time_and_the_last_what_is_left():
    attempt, given = playing(httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError):
        RetryPolicy(seconds=0.9, first_wait=0.01, longest_wait=0.02).send(attempt)
    assert given[0] == pytest.approx(0.3)
    assert given[-1] < 0.3


def test_a_server_that_hangs_once_costs_the_client_no_answer(tmp_path: Path):
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "k"}}')
    asked: list[str] = []
    over = threading.Event()

    class HangsOnce(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            if len(asked) == 1:
                over.wait(60)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"answer": "yes"}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), HangsOnce) as server:
        threading.Thread(target=server.serve_forever).start()
        addresses = Addresses(inference=f"http://127.0.0.1:{server.server_port}")
        # A pool whose timeout for one attempt is the policy's time for all of them.
        policy = RetryPolicy(seconds=3, first_wait=0.01, longest_wait=0.02)
        try:
            with addresses.pool(timeout=3) as http:
                assert Client(addresses, keys, http, policy).ask("m", b"", "what?") == {"answer": "yes"}
        finally:
            over.set()
            server.shutdown()
    assert len(asked) == 2


def test_the_policy_never_sends_one_request():
    attempt, given = playing(httpx.Response(503))
    assert NEVER.send(attempt).status_code == 503
    assert given == [None]


def test_the_servers_retry_after_is_waited_for():
    attempt, _ = playing(httpx.Response(503, headers={"Retry-After": "1"}), GOOD)
    began = time.monotonic()
    assert QUICK.send(attempt) is GOOD
    assert time.monotonic() - began >= 1


def test_a_retry_after_beyond_the_bound_is_not_waited_for():
    attempt, given = playing(httpx.Response(429, headers={"Retry-After": "3600"}))
    assert QUICK.send(attempt).status_code == 429
    assert len(given) == 1


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("", 0), ("soon", 0), ("-3", 0)])
def test_retry_after_in_seconds_and_nonsense(value: str, seconds: float):
    assert retry_after(httpx.Response(503, headers={"Retry-After": value})) == seconds


def test_retry_after_as_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < retry_after(httpx.Response(503, headers={"Retry-After": date})) <= 60


def test_an_error_that_is_not_of_the_connection_is_raised_at_once():
    attempt, given = playing(httpx.ConnectError("refused"), ServerError("damaged"))
    with pytest.raises(ServerError):
        QUICK.send(attempt)
    assert len(given) == 2
