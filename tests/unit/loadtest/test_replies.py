from __future__ import annotations

import pytest

from loadtest.replies import read_field, wrong_answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"answer": "r',
        b"null",
        b"[]",
        b"\xff",
        b'{"answers": []}',
        b'{"answer": ["red"]}',
        b"[" * 9999,
    ],
)
def test_a_reply_without_an_answer_is_wrong(body: bytes):
    assert "no answer in" in wrong_answer(body, ("red",))


def test_any_of_the_right_answers_is_right():
    assert wrong_answer(b'{"answer": "red"}', ("crimson", "red")) == ""
    assert wrong_answer(b'{"answer": "blue"}', ("crimson", "red")) == "'blue', not crimson or red"


def test_a_field_of_a_broken_object_is_none():
    assert read_field(b'{"type": "BadReq', "type") is None
    assert read_field(b'{"type": "BadRequest"}', "type") == "BadRequest"
