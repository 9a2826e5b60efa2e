"""What the users ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.questions import new_picture, popular, read_questions
from scripts.build_mar import ROOT
from vqaserve.images import open_picture
from vqaserve.settings import Limits


def test_every_shipped_sample_is_asked():
    questions = read_questions()
    assert {question.model for question in questions} == {"shapes", "rooms"}
    assert all(question.answers for question in questions)


def test_a_new_picture_is_another_file_with_the_same_pixels():
    for question in read_questions((str(ROOT / "recipes" / "shapes"),)):
        old, new = (open_picture(file, Limits()) for file in (question.picture, new_picture(question.picture, 7)))
        assert old.digest != new.digest
        assert old.pixels.tobytes() == new.pixels.tobytes()


def test_popularity_follows_zipf():
    assert popular(read_questions()[:4]) == [1, 1 / 2, 1 / 3, 1 / 4]


def test_a_folder_without_samples_is_refused(tmp_path: Path):
    with pytest.raises(SystemExit, match="--recipes takes recipe folders"):
        read_questions((str(tmp_path),))
