from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vqaops.evaluation import comparison
from vqaops.evaluation.comparison import WordingComparison, compare_wordings
from vqaops.evaluation.predictions import PredictionRun
from vqaops.evaluation.scores import Prediction
from vqaops.questions import Question

CLIENT: Any = None


def question(text: str) -> Question:
    return Question(Path("a.png"), text, ("red",), "questions.jsonl:1")


def test_questions_that_cannot_be_reworded_are_not_asked_and_score_nothing():
    questions = [question("where is it raining ?")]
    found = compare_wordings(CLIENT, "rooms", questions, [Prediction(["red"], 0.9, ["red"])], 8)
    assert found == WordingComparison()
    assert found.as_dict()["questions"] == 0


def test_the_reworded_questions_are_compared_with_their_own_originals(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def predict(client: Any, model: str, questions: list[Question], connections: int) -> PredictionRun:
        asked.extend(one.text for one in questions)
        return PredictionRun([Prediction([answer], 0.5, ["red"]) for answer in ("red", "blue")], 1.0)

    monkeypatch.setattr(comparison, "predict", predict)
    questions = [question(text) for text in ("what color is the cup ?", "where ?", "how many cups are there ?")]
    before = [Prediction([answer], 0.9, ["red"]) for answer in ("red", "green", "red")]
    found = compare_wordings(CLIENT, "rooms", questions, before, 8)
    assert found == WordingComparison(questions=2, top1=1.0, top1_reworded=0.5, same_answer=0.5)
    assert len(asked) == 2
    assert "where ?" not in asked
