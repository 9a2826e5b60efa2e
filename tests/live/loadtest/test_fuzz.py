"""A few hundred damaged and unusual requests, and files that Hypothesis generates; `make fuzz` sends 20,000."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from loadtest.fuzz.fuzzer import fuzz
from tests.support.bombs import jpeg_of_scans
from tests.support.pictures import as_base64, encoded
from vqaops.server.server import Server
from vqaops.unseen_pictures import unseen_copy
from vqaserve.picture_formats import FORMATS


def test_every_damaged_or_unusual_request_gets_an_answer_or_a_refusal(dummy_server: Server):
    result = fuzz(dummy_server.client, "dummy", cases=400, seed=1, console=Console(quiet=True), settle=0)
    assert result.wrong == []
    assert not result.restarted
    assert sum(result.replies.values()) == 400
    assert len(result.memory) == 11
    assert {"200", "422 InvalidImage"} <= set(result.replies)


@pytest.mark.parametrize(("model", "cases"), [("labels", 120), ("classes", 60), ("documents", 20)])
def test_so_does_every_request_to_a_model_of_another_task(tasks_server: Server, model: str, cases: int):
    result = fuzz(tasks_server.client, model, cases=cases, seed=1, console=Console(quiet=True), settle=0)
    assert result.wrong == []
    assert not result.restarted
    assert {"200", "422 InvalidImage"} <= set(result.replies)


@pytest.mark.parametrize(
    "body",
    [
        b'{"questions": [' + b"1," * 5_000_000 + b"1]}",
        b"{" + b",".join(b'"%d":1' % number for number in range(1_000_000)) + b"}",
    ],
    ids=["questions", "fields"],
)
def test_a_body_with_a_million_faults_is_refused_and_no_worker_grows(dummy_server: Server, body: bytes):
    client = dummy_server.client
    before = client.workers("dummy")
    (worker,) = before
    url, headers = f"{client.addresses.inference}/predictions/dummy", client.header("inference")
    reply = client.http.post(url, headers={**headers, "Content-Type": "application/json"}, content=body, timeout=120)
    assert (reply.status_code, reply.json()["type"]) == (400, "BadRequest")
    assert re.search("holds more than [0-9,]+ values", reply.json()["message"])
    assert client.workers("dummy") == before
    peak = next(line for line in Path(f"/proc/{worker.pid}/status").read_text().split("\n") if "VmHWM" in line)
    assert int(peak.split()[1]) < 1_000_000  # kB; an object for each fault took 2,000,000


def test_every_file_question_and_number_gets_an_answer_or_a_refusal(dummy_server: Server):
    client = dummy_server.client
    before = client.workers("dummy")

    @given(
        st.sampled_from(FORMATS),
        st.binary(max_size=200),
        st.integers(0, 400),
        st.text(max_size=600),
        st.integers(-5, 30),
    )
    @settings(derandomize=True, max_examples=60, deadline=None, database=None)
    def ask(file_format: str, noise: bytes, cut: int, question: str, top_k: int) -> None:
        file = encoded("red", (16, 16), file_format)[:cut] + noise
        reply = client.http.post(
            f"{client.addresses.inference}/predictions/dummy",
            headers=client.header("inference"),
            files={"image": file, "question": (None, question.encode("utf-8", "replace")), "top_k": (None, str(top_k))},
        )
        body = reply.json()
        assert reply.status_code in (200, 400, 422)
        assert "answer" in body if reply.status_code == 200 else body.keys() == {"code", "type", "message"}

    ask()
    assert client.workers("dummy") == before


def test_a_request_full_of_bombs_is_refused_and_others_are_answered_meanwhile(dummy_server: Server):
    client = dummy_server.client
    before = client.workers("dummy")
    bomb = jpeg_of_scans(20_000)
    bombs = [unseen_copy(bomb, bytes([number])) for number in range(20)]
    instances = [{"image": as_base64(one), "question": "what?"} for one in bombs]

    def explode() -> httpx.Response:
        url = f"{client.addresses.inference}/v1/models/dummy:predict"
        return client.http.post(url, headers=client.header("inference"), json={"instances": instances}, timeout=120)

    with ThreadPoolExecutor(4) as pool:
        attacks = [pool.submit(explode) for _ in range(2)]
        answers = [client.ask("dummy", encoded("red", (20, 20 + number)), "what?") for number in range(10)]
        replies = [attack.result() for attack in attacks]
    assert [answer["answer"] for answer in answers] == [f"20x{20 + number} #ff0000: what?" for number in range(10)]
    assert {reply.status_code for reply in replies} == {422}
    assert all("takes too long to decode" in reply.json()["message"] for reply in replies)
    assert client.workers("dummy") == before
