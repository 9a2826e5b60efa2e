"""Repeated questions are answered from the caches, and nothing is computed twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.pictures import animated, encoded
from vqaserve.families.dummy import Dummy
from vqaserve.pipeline import Pipeline
from vqaserve.settings import CacheLimits, HandlerSettings
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Model, Query, Request


class Counting(Dummy):
    """Counts the pictures and questions that it computes."""

    def __init__(self) -> None:
        self.pictures = self.questions = 0

    def encode(self, pictures):
        self.pictures += len(pictures)
        return super().encode(pictures)

    def forward(self, features: Sequence[str], queries: Sequence[Query]) -> list[str]:
        self.questions += len(queries)
        if any(query.question == "fail" for query in queries):
            raise RuntimeError("on purpose")
        return super().forward(features, queries)


def make(**limits: int) -> tuple[Pipeline, Counting]:
    settings = HandlerSettings(version="1.0.0", family="dummy", cache=CacheLimits(**limits))
    family = Counting()
    return Pipeline(VisualQuestionAnswering(settings), family, settings, Model("dummy", "1.0.0")), family


class Sharing(Counting):
    """A family whose features workers can share."""

    shares = True

    def to_bytes(self, features: str) -> bytes:
        return features.encode()

    def from_bytes(self, data: bytes) -> str:
        return data.decode()


def make_worker(folder: Path) -> tuple[Pipeline, Sharing]:
    settings = HandlerSettings(version="1.0.0", family="dummy", cache=CacheLimits(shared_features_mb=1))
    family, model = Sharing(), Model("dummy", "1.0.0")
    return Pipeline(VisualQuestionAnswering(settings), family, settings, model, shared=folder), family


def ask(question: str, colour: str = "red", **fields: object) -> Request:
    return Request("id", {"image": encoded(colour), "question": question, **fields})


def answers(pipeline: Pipeline, *requests: Request) -> list[str]:
    return [json.loads(reply.body).get("answer") for reply in pipeline.answer(requests)]


def test_the_same_question_about_the_same_picture_is_computed_once():
    pipeline, family = make()
    first = answers(pipeline, ask("a"))
    assert answers(pipeline, ask("a")) == first
    assert (family.pictures, family.questions) == (1, 1)


@pytest.mark.parametrize(
    "question",
    [
        "What's  this?",
        " What's this? ",
        "What\u2019s this?",
        "What's\u00ad this\uff1f",
        "\ufeffWhat's this?",
        "What's\nthis?",
    ],
)
def test_a_question_typed_in_another_way_is_recalled(question: str):
    pipeline, family = make()
    first = answers(pipeline, ask("What's this?"))
    assert answers(pipeline, ask(question)) == first
    assert family.questions == 1


def test_a_new_question_about_a_cached_picture_skips_the_image_encoder():
    pipeline, family = make()
    answers(pipeline, ask("a"))
    assert answers(pipeline, ask("b")) == ["4x3 #ff0000: b"]
    assert (family.pictures, family.questions) == (1, 2)


def test_a_cached_picture_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch):
    pipeline, _ = make()
    answers(pipeline, ask("a"))
    monkeypatch.setattr(pipeline.opener, "_decoder", None)
    assert answers(pipeline, ask("a"), ask("b")) == ["4x3 #ff0000: a", "4x3 #ff0000: b"]


def test_the_same_question_twice_in_a_batch_is_computed_once():
    pipeline, family = make()
    assert answers(pipeline, ask("a"), ask("b"), ask("a")) == ["4x3 #ff0000: a", "4x3 #ff0000: b", "4x3 #ff0000: a"]
    assert (family.pictures, family.questions) == (1, 2)


def test_another_picture_or_another_parameter_is_another_question():
    pipeline, family = make()
    answers(pipeline, ask("a"), ask("a", "blue"), ask("a", top_k="2"))
    assert family.questions == 3


def test_errors_are_not_cached():
    pipeline, family = make()
    assert answers(pipeline, ask("fail"), ask("fail")) == [None, None]
    before = family.questions
    answers(pipeline, ask("fail"))
    assert family.questions > before


def test_a_failing_item_does_not_make_the_others_be_encoded_twice():
    pipeline, family = make()
    assert answers(pipeline, ask("a"), ask("fail", "blue"), ask("c", "lime")) == [
        "4x3 #ff0000: a",
        None,
        "4x3 #00ff00: c",
    ]
    assert family.pictures == 3


def test_caches_of_size_zero_compute_everything_again():
    pipeline, family = make(features_mb=0, answers=0)
    for _ in range(2):
        assert answers(pipeline, ask("a")) == ["4x3 #ff0000: a"]
    assert (family.pictures, family.questions) == (2, 2)


def test_describe_counts_hits_and_misses():
    pipeline, _ = make()
    answers(pipeline, ask("a"))
    answers(pipeline, ask("a"))
    answers(pipeline, ask("b"))
    counters = json.loads(pipeline.describe().body)["cache"]
    assert (counters["answers"]["hits"], counters["answers"]["misses"]) == (1, 2)
    assert (counters["features"]["hits"], counters["features"]["misses"]) == (1, 1)


def test_a_picture_that_one_worker_has_encoded_is_not_encoded_by_another(tmp_path: Path):
    (one, encoder), (other, reader) = make_worker(tmp_path / "shared"), make_worker(tmp_path / "shared")
    answers(one, ask("a"))
    assert answers(other, ask("b")) == ["4x3 #ff0000: b"]
    assert (encoder.pictures, reader.pictures) == (1, 0)
    assert other.answerer.counters["features"]["hits"] == 1
    answers(other, ask("c"))
    assert other.answerer.counters["features"]["hits"] == 2


def test_a_shared_picture_keeps_its_warnings(tmp_path: Path):
    (one, _), (other, _) = make_worker(tmp_path / "shared"), make_worker(tmp_path / "shared")
    moving = animated()
    first, second = (
        json.loads(pipeline.answer([Request("id", {"image": moving, "question": question})])[0].body)
        for pipeline, question in ((one, "a"), (other, "b"))
    )
    assert first["warnings"] == second["warnings"] != []


def test_without_a_size_for_shared_features_nothing_is_shared(tmp_path: Path):
    settings = HandlerSettings(version="1.0.0", family="dummy")
    Pipeline(VisualQuestionAnswering(settings), Sharing(), settings, Model("dummy", "1.0.0"), shared=tmp_path / "no")
    assert not (tmp_path / "no").exists()
