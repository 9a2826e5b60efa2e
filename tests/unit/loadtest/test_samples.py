"""The questions that users ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.samples import model_questions
from vqaserve.errors import RecipeError


def test_every_shipped_sample_is_asked():
    questions = model_questions()
    assert {question.model for question in questions} == {"shapes", "rooms"}
    assert all(question.answers for question in questions)


def test_a_folder_without_samples_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"questions\.jsonl is missing"):
        model_questions((str(tmp_path),))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not JSON", "questions.jsonl:2 is not JSON"),
        ('{"image": "a.png"}', "questions.jsonl:2: answers"),
        ('{"image": "a.png", "qestion": "what?", "answers": ["x"]}', "questions.jsonl:2: .*neither 'question'"),
        ('{"image": "a.png", "question": "what?", "answers": []}', "questions.jsonl:2: answers"),
        ('{"image": "missing.png", "question": "what?", "answers": ["x"]}', "missing.png is missing"),
    ],
)
def test_a_faulty_sample_is_refused_with_its_line(tmp_path: Path, line: str, message: str):
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "a.png").write_bytes(b"")
    good = '{"image": "a.png", "question": "what?", "answers": ["x"]}'
    (samples / "questions.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(RecipeError, match=message):
        model_questions((str(tmp_path),))


def test_a_sample_may_hold_unicode_line_separators_and_a_byte_order_mark(tmp_path: Path):
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "a.png").write_bytes(b"picture")
    line = '{"image": "a.png", "question": "what\u2028is this?", "answers": ["x\x85y"]}\r\n'
    (samples / "questions.jsonl").write_text(line, encoding="utf-8-sig", newline="")
    (question,) = model_questions((str(tmp_path),))
    assert (question.title, question.answers) == ("what\u2028is this?", ("x\x85y",))
