"""A few hundred damaged pictures, and files that Hypothesis makes up; `make fuzz` sends 20,000."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from loadtest.fuzz import fuzz
from scripts.server import Server
from tests.pictures import encoded
from vqaserve.images import FORMATS


def test_no_damaged_picture_costs_more_than_its_own_refusal(dummy_server: Server):
    outcome = fuzz(dummy_server.client, "dummy", cases=400, seed=1, show=Console(quiet=True))
    assert outcome.wrong == []
    assert not outcome.restarted
    assert sum(outcome.replies.values()) == 400
    assert {"200", "422 InvalidImage"} <= set(outcome.replies)


def test_no_file_question_or_number_is_answered_otherwise_than_by_an_answer_or_a_refusal(dummy_server: Server):
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
