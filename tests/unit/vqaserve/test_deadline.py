from __future__ import annotations

import time

import pytest

from vqaserve.deadline import read_deadline
from vqaserve.errors import BadRequest, DeadlineExceeded


def headers(began: float, timeout: object, mark: str = "t=") -> dict[str, str]:
    return {"x-request-start": f"{mark}{began:.3f}", "x-timeout-ms": str(timeout)}


@pytest.mark.parametrize("mark", ["t=", ""])
def test_a_request_in_time_passes(mark: str):
    read_deadline(headers(time.time() - 1, 60_000, mark))


@pytest.mark.parametrize("mark", ["t=", ""])
def test_a_request_past_its_deadline_is_refused(mark: str):
    with pytest.raises(DeadlineExceeded, match=r"deadline of 5,000 ms passed 55\.\d+ s before its turn"):
        read_deadline(headers(time.time() - 60, 5000, mark))


@pytest.mark.parametrize("unit", [1e3, 1e6])
def test_the_start_may_be_in_milliseconds_or_microseconds(unit: float):
    read_deadline({"x-request-start": f"t={int((time.time() - 1) * unit)}", "x-timeout-ms": "60000"})
    with pytest.raises(DeadlineExceeded):
        read_deadline({"x-request-start": f"t={int((time.time() - 1) * unit)}", "x-timeout-ms": "500"})


def test_a_clock_that_is_ahead_refuses_nothing():
    read_deadline(headers(time.time() + 3600, 1))


@pytest.mark.parametrize("given", [{}, {"x-request-start": "t=1"}, {"x-request-start": "nonsense"}])
def test_without_a_timeout_there_is_no_deadline(given: dict[str, str]):
    read_deadline(given)


@pytest.mark.parametrize("timeout", ["", "soon", "-1", "1.5", "1e9", "٣", "9" * 400])
def test_a_timeout_that_is_not_a_number_is_refused(timeout: str):
    with pytest.raises(BadRequest, match=r"X-Timeout-Ms is '.*'?; send whole milliseconds, such as 5000"):
        read_deadline(headers(time.time(), timeout))


@pytest.mark.parametrize("start", [None, "", "t=", "yesterday", "t=nan"])
def test_a_timeout_without_a_start_is_refused(start: str | None):
    given = {"x-timeout-ms": "5000"} | ({} if start is None else {"x-request-start": start})
    with pytest.raises(BadRequest, match="send the time of the request in Unix seconds"):
        read_deadline(given)
