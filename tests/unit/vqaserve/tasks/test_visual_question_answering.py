from __future__ import annotations

import pytest

from vqaserve.errors import InvalidParameter, InvalidQuestion
from vqaserve.settings import HandlerSettings
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Answer, Query

TASK = VisualQuestionAnswering(HandlerSettings(version="1.0.0", family="dummy", top_k=4))


def test_the_question_is_stripped_and_top_k_filled_in():
    assert TASK.prepare(Query(b"", "  what? \n")) == Query(b"", "what?", 4)


@pytest.mark.parametrize("question", ["", "   ", "\n\t"])
def test_an_empty_question_is_refused(question: str):
    with pytest.raises(InvalidQuestion, match="the question is empty"):
        TASK.prepare(Query(b"", question))


def test_a_question_of_500_characters_passes_and_one_more_does_not():
    TASK.prepare(Query(b"", "x" * 500))
    with pytest.raises(InvalidQuestion, match="has 501 characters; at most 500"):
        TASK.prepare(Query(b"", "x" * 501))


@pytest.mark.parametrize("top_k", [0, -1, 21])
def test_top_k_out_of_range_is_refused_with_the_range(top_k: int):
    with pytest.raises(InvalidParameter, match=f"top_k is {top_k}; it can be 1 to 20"):
        TASK.prepare(Query(b"", "q", top_k))


def test_no_word_is_filtered():
    question = "What does the script on the sign say?"
    assert TASK.prepare(Query(b"", question)).question == question


def test_answers_have_the_hubs_form():
    assert TASK.finish([Answer("red", 0.25)]) == ({"answer": "red", "score": 0.25},)
