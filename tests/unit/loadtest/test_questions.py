"""What the users ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.questions import new_picture, popular, read_field, read_questions, wrong_answer
from vqaops.paths import ROOT
from vqaserve.images import open_picture
from vqaserve.settings import Limits


def test_every_shipped_sample_is_asked():
    questions = read_questions()
    assert {question.model for question in questions} == {"shapes", "rooms"}
    assert all(question.answers for question in questions)


def test_a_new_picture_is_another_file_with_the_same_pixels():
    for question in read_questions((str(ROOT / "recipes" / "shapes"),)):
        files = question.picture, new_picture(question.picture, 7)
        old, new = (open_picture(file, Limits()) for file in files)
        assert files[0] != files[1]
        assert old.pixels.tobytes() == new.pixels.tobytes()


def test_popularity_follows_zipf():
    assert popular(read_questions()[:4]) == [1, 1 / 2, 1 / 3, 1 / 4]


def test_a_folder_without_samples_is_refused(tmp_path: Path):
    with pytest.raises(SystemExit, match="--recipes takes recipe folders"):
        read_questions((str(tmp_path),))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"answer": "r', b"null", b"[]", b"\xff", b'{"answers": []}', b'{"answer": ["red"]}']
)
def test_a_reply_that_says_nothing_is_a_wrong_answer(body: bytes):
    assert "no answer in" in wrong_answer(body, ("red",))


def test_one_of_the_right_answers_is_right():
    assert wrong_answer(b'{"answer": "red"}', ("crimson", "red")) == ""
    assert wrong_answer(b'{"answer": "blue"}', ("crimson", "red")) == "'blue', not crimson or red"


def test_a_field_of_a_broken_object_is_none():
    assert read_field(b'{"type": "BadReq', "type") is None
    assert read_field(b'{"type": "BadRequest"}', "type") == "BadRequest"
