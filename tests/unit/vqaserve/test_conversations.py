from __future__ import annotations

import pytest

from vqaserve.conversations import check_conversation, last_question
from vqaserve.errors import InvalidQuestion
from vqaserve.limits import Limits
from vqaserve.types import Query, Turn

SYSTEM, ANSWERED = Turn("system", ("be terse",)), Turn("assistant", ("a cup",))


def asked(*turns: Turn, pictures: int = 1) -> Query:
    return Query(b"last", "color?", conversation=turns, earlier_images=(b"first",) * (pictures - 1))


def test_a_classifier_reads_the_last_question_about_the_last_picture():
    turns = SYSTEM, Turn("user", (0, "what?")), ANSWERED, Turn("user", (1, "color?"))
    query = last_question(asked(*turns, pictures=2))
    assert (query.images, query.question, query.conversation) == ((b"last",), "color?", ())
    assert query.warnings == (
        "the request has 2 pictures; only the last one was used",
        "this model answers single questions: 2 earlier turns were not read",
        "the system message was not read",
    )


def test_a_picture_after_its_question_is_all_read():
    assert last_question(asked(Turn("user", ("color?", 0)))).warnings == ()


@pytest.mark.parametrize(
    ("query", "limits", "message"),
    [
        (asked(*[ANSWERED] * 5), Limits(max_turns=4), "has 5 turns; at most 4 are allowed"),
        (asked(ANSWERED, pictures=3), Limits(max_pictures=2), "has 3 pictures; at most 2 are allowed"),
        (asked(ANSWERED, ANSWERED), Limits(max_prompt_tokens=1), "has 10 characters; at most 8 are allowed"),
        (asked(Turn("user", ("\ud800",))), Limits(), "half of a surrogate pair"),
    ],
)
def test_a_conversation_over_a_limit_is_refused_with_the_limit(query: Query, limits: Limits, message: str):
    with pytest.raises(InvalidQuestion, match=message):
        check_conversation(query, limits)
