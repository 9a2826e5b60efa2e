from __future__ import annotations

import pytest

from vqaserve.errors import InvalidParameter, InvalidQuestion
from vqaserve.settings import HandlerSettings
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Answer, Query, Ranking

TASK = VisualQuestionAnswering(HandlerSettings(version="1.0.0", family="dummy", top_k=4))


def test_the_question_is_stripped_and_top_k_filled_in():
    assert TASK.prepare(Query(b"", "  what? \n")) == Query(b"", "what?", 4)


@pytest.mark.parametrize("question", ["   ", "\n\t", "\u200b"])
def test_an_empty_question_is_refused(question: str):
    with pytest.raises(InvalidQuestion, match="the question is empty"):
        TASK.prepare(Query(b"", question))


def test_a_missing_question_is_the_recipes_or_refused():
    with pytest.raises(InvalidQuestion, match="no question; send it as 'question'"):
        TASK.prepare(Query(b""))
    settings = TASK.settings.model_copy(update={"question": "what is this?"})
    assert VisualQuestionAnswering(settings).prepare(Query(b"")).question == "what is this?"


def test_labels_are_refused_where_questions_are_answered():
    with pytest.raises(InvalidParameter, match="this model answers questions; leave out 'labels'"):
        TASK.prepare(Query(b"", "q", labels=("a cat",)))


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
    assert TASK.finish([Answer("red", 0.25)], Query(b"")) == Ranking("answer", ({"answer": "red", "score": 0.25},))
