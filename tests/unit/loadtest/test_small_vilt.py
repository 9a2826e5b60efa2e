"""A small ViLT that has learned something, as a recipe."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from loadtest import explanations, small_vilt
from vqaops.training.datasets import read_split


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(small_vilt, "read_split", lambda data, split: read_split(data, split)[:40])
    small_vilt.main(tmp_path / "small", epochs=1, layers=1, threads=1)
    return tmp_path / "small"


def test_two_methods_of_explaining_it_are_compared(recipe: Path, capsys: pytest.CaptureFixture[str]):
    explanations.main(recipe, "easy-vqa", limit=2, other="occlusion")
    shown = capsys.readouterr().out
    rows = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    assert rows == ["auto", "occlusion", "random", "centre", "edges"]
    assert shown.count("CPU time of an explanation") == 2


def test_it_learns_the_questions_that_begin_with_what():
    learned = [one for one in read_split("easy-vqa", "train") if one.text == "what color is the shape?"][:8]
    answers = small_vilt.build_answers(learned)
    processor = small_vilt._processor(learned)
    model = small_vilt._model(processor.tokenizer, answers, layers=1)
    small_vilt._train(model, processor, learned, answers, 100, random.Random(0))
    tokens = processor.tokenizer([one.text for one in learned], return_tensors="pt")
    pixels = small_vilt._pixels(processor, [one.image for one in learned])
    best = small_vilt._logits(model, tokens, pixels).argmax(1)
    assert [answers[place] for place in best] == [one.answers[0] for one in learned]
