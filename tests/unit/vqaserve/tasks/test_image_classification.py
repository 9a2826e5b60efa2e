from __future__ import annotations

import pytest

from vqaserve.errors import InvalidParameter
from vqaserve.settings import HandlerSettings
from vqaserve.tasks.image_classification import ImageClassification
from vqaserve.types import Answer, Query, Ranking

TASK = ImageClassification(HandlerSettings(version="1.0.0", family="dummy", top_k=3))


def test_a_picture_is_enough():
    assert TASK.prepare(Query(b"picture")) == Query(b"picture", top_k=3)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"question": "what is it?"}, "answers no question; leave out 'question'"),
        ({"labels": ("a cat",)}, "knows its own labels only; leave out 'labels'"),
        ({"hypothesis_template": "a {}"}, "leave out 'hypothesis_template'"),
        ({"top_k": 0}, "top_k is 0; it can be 1 to 20"),
    ],
)
def test_what_the_task_does_not_read_is_refused(sent: dict, message: str):
    with pytest.raises(InvalidParameter, match=message):
        TASK.prepare(Query(b"", **sent))


def test_labels_have_the_hubs_form():
    assert TASK.finish([Answer("pizza", 0.25)], Query(b"")) == Ranking("label", ({"label": "pizza", "score": 0.25},))
