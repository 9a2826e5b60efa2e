from __future__ import annotations

from pathlib import Path

import pytest

from vqaops.training.datasets import hold_out, read_split


def test_no_picture_is_both_learnt_from_and_held_out(data: Path):
    kept, apart = hold_out(read_split(str(data), "train"), 0.2, seed=0)
    assert not {example.image for example in kept} & {example.image for example in apart}
    assert (len(kept), len(apart)) == (48, 12)


def test_one_picture_is_kept_however_large_the_share_held_out(data: Path):
    kept, apart = hold_out(read_split(str(data), "train"), 0.999, seed=0)
    assert {len({question.image for question in part}) for part in (kept, apart)} == {1, 29}


@pytest.mark.parametrize("split", ["train", "eval"])
def test_easy_vqa_is_read_from_its_package(split: str):
    pytest.importorskip("easy_vqa")
    questions = read_split("easy-vqa", split)
    assert all(question.image.is_file() for question in questions[:100])
    assert {answer for question in questions for answer in question.answers} >= {"circle", "yes", "blue"}
