from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny import modular
from vqaserve.families.modular import Modular
from vqaserve.types import Answer, Query

COMBINATIONS = list(itertools.product(modular.IMAGE_ENCODERS, modular.TEXT_ENCODERS, modular.FUSIONS))
QUESTIONS = ["is the wall red?", "what?", "what is on the table on the red wall?", "is it?", "red", "what is the wall?"]


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Modular:
    image_encoder, text_encoder, fusion = request.param
    folder = tmp_path_factory.mktemp("recipe")
    return modular.load(modular.write_recipe(folder, image_encoder, text_encoder, fusion))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Modular:
    return modular.load(modular.write_recipe(tmp_path_factory.mktemp("recipe")))


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (20 + i, 30, 3), dtype=np.uint8)) for i in range(count)]


def ask(family: Modular, images: list[Image.Image], questions: list[str], top_k: int = 5) -> list[tuple[Answer, ...]]:
    queries = [Query(b"", question, top_k) for question in questions]
    return family.decode(family.forward(family.encode(images), queries), queries)


def assert_same(one: tuple[Answer, ...], other: tuple[Answer, ...]) -> None:
    assert one[0].answer == other[0].answer
    expected = {answer.answer: answer.score for answer in other}
    assert {answer.answer: answer.score for answer in one} == pytest.approx(expected, abs=1e-4)


def test_an_answer_is_the_same_alone_and_in_a_batch(family: Modular):
    images = pictures(len(QUESTIONS))
    together = ask(family, images, QUESTIONS)
    for image, question, answers in zip(images, QUESTIONS, together, strict=True):
        assert_same(ask(family, [image], [question])[0], answers)


def test_an_answer_is_the_same_in_another_order(family: Modular):
    images = pictures(len(QUESTIONS))
    forwards = ask(family, images, QUESTIONS)
    backwards = ask(family, images[::-1], QUESTIONS[::-1])[::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert_same(one, other)


def test_questions_that_share_one_feature_get_their_own_answers(family: Modular):
    first, second = family.encode(pictures(2))
    queries = [Query(b"", question, 5) for question in QUESTIONS]
    features = [first, second, first, first, second, first]
    shared = family.decode(family.forward(features, queries), queries)
    for feature, query, answers in zip(features, queries, shared, strict=True):
        alone = family.decode(family.forward([feature], [query]), [query])[0]
        assert_same(alone, answers)


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (3, 2)])
def test_odd_pictures_are_answered(family: Modular, size: tuple[int, int]):
    (answers,) = ask(family, [Image.new("RGB", size, "teal")], ["what?"])
    assert sum(answer.score for answer in answers) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("question", ["", " ", "\U0001f600", "是什么", "\x00", "what " * 200])
def test_odd_questions_are_answered_and_leave_their_neighbours_alone(family: Modular, question: str):
    images = pictures(2)
    odd, neighbour = ask(family, images, [question, "is the wall red?"])
    assert all(math.isfinite(answer.score) for answer in odd)
    assert_same(ask(family, images[1:], ["is the wall red?"])[0], neighbour)


def test_answers_are_ranked_and_each_question_gets_as_many_as_it_asked_for(plain: Modular):
    queries = [Query(b"", "what?", top_k) for top_k in (1, 3, 20)]
    features = plain.encode(pictures(1)) * 3
    ranked = plain.decode(plain.forward(features, queries), queries)
    assert [len(answers) for answers in ranked] == [1, 3, len(modular.ANSWERS)]
    scores = [answer.score for answer in ranked[2]]
    assert scores == sorted(scores, reverse=True)


def test_a_kept_feature_does_not_hold_the_memory_of_its_batch(plain: Modular):
    feature = plain.encode(pictures(8))[0]
    assert feature.untyped_storage().nbytes() == feature.nbytes


def test_no_pictures_are_no_features(plain: Modular):
    assert list(plain.encode([])) == []


def test_a_higher_temperature_is_less_sure(tmp_path: Path):
    folder = modular.write_recipe(tmp_path)
    sure = ask(modular.load(folder), pictures(1), ["what?"])[0][0]
    modular.edit_config(folder, temperature=10.0)
    unsure = ask(modular.load(folder), pictures(1), ["what?"])[0][0]
    assert (unsure.answer, unsure.score < sure.score) == (sure.answer, True)


def test_several_heads_answer_with_their_mean_probability(tmp_path: Path):
    model = modular.load(modular.write_recipe(tmp_path, heads=3)).model
    features = model.encode(torch.zeros(1, 3, 32, 64))
    given = (features, torch.tensor([0]), torch.tensor([[6, 9]]), torch.tensor([[True, True]]))
    mean = model.each(*given).softmax(2).mean(0)
    assert torch.allclose(model(*given).exp(), mean, atol=1e-6)


def test_features_as_bytes_are_the_same_to_the_last_bit(family: Modular):
    (features,) = family.encode(pictures(1))
    assert torch.equal(family.from_bytes(family.to_bytes(features)), features)
