from __future__ import annotations

import pytest

from vqaserve.errors import InvalidLabels, InvalidParameter
from vqaserve.settings import HandlerSettings
from vqaserve.tasks.zero_shot_image_classification import ZeroShotImageClassification
from vqaserve.types import Answer, Query, Ranking

TASK = ZeroShotImageClassification(HandlerSettings(version="1.0.0", family="dummy", top_k=1))


def test_all_labels_come_back_by_default_and_the_template_is_the_recipes():
    query = TASK.prepare(Query(b"", labels=("a cat", "a dog")))
    assert (query.labels, query.top_k) == (("a cat", "a dog"), 2)
    assert query.hypothesis_template == "This is a photo of {}."


def test_more_labels_than_max_top_k_all_come_back():
    labels = tuple(f"label {number}" for number in range(100))
    assert TASK.prepare(Query(b"", labels=labels)).top_k == 100
    assert TASK.prepare(Query(b"", labels=labels, top_k=100)).top_k == 100


def test_top_k_takes_the_best_of_the_labels():
    assert TASK.prepare(Query(b"", top_k=1, labels=("a cat", "a dog"))).top_k == 1
    assert TASK.prepare(Query(b"", top_k=9, labels=("a cat", "a dog"))).top_k == 2


def test_labels_are_normalized_as_questions_are():
    assert TASK.prepare(Query(b"", labels=("  a\u00a0cat\u200b ", "the dog\u2019s"))).labels == ("a cat", "the dog's")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "the request has no labels; send 1 to 128 as 'labels'"),
        (tuple(map(str, range(129))), "the request has 129 labels; send 1 to 128"),
        (("a cat", " "), "label 2 is empty"),
        (("a cat", "a\u200b cat"), "the label 'a cat' comes 2 times; send each label once"),
        (("x" * 301,), "label 1 has 301 characters; at most 300 are allowed"),
        (("\ud800",), "label 1 holds half of a surrogate pair"),
    ],
)
def test_labels_that_cannot_be_ranked_are_refused(labels: tuple[str, ...], message: str):
    with pytest.raises(InvalidLabels, match=message):
        TASK.prepare(Query(b"", labels=labels))


@pytest.mark.parametrize("template", ["a photo", "{} and {}", "{label}"])
def test_a_template_without_one_place_for_the_label_is_refused(template: str):
    with pytest.raises(InvalidParameter, match=r"it has to hold \{\} once"):
        TASK.prepare(Query(b"", labels=("a cat",), hypothesis_template=template))


def test_a_template_that_is_too_long_is_refused():
    with pytest.raises(InvalidParameter, match="hypothesis_template has 302 characters; at most 300 are allowed"):
        TASK.prepare(Query(b"", labels=("a cat",), hypothesis_template="x" * 300 + "{}"))


def test_a_question_is_refused():
    with pytest.raises(InvalidParameter, match="answers no question; leave out 'question'"):
        TASK.prepare(Query(b"", "what is it?", labels=("a cat",)))


def test_labels_have_the_hubs_form():
    assert TASK.finish([Answer("a cat", 0.25)], Query(b"")) == Ranking("label", ({"label": "a cat", "score": 0.25},))
