"""What an answer rests on: parts of the picture and words of the question, hidden one after the other."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from tests.support.pictures import encoded
from vqaserve.errors import DeadlineExceeded, InvalidParameter, Overloaded
from vqaserve.explaining import Explainer
from vqaserve.families.dummy import Dummy
from vqaserve.heat_map import draw_heat_map
from vqaserve.metrics import Stopwatch
from vqaserve.pictures import Picture
from vqaserve.pipeline import Pipeline
from vqaserve.settings import Explain, HandlerSettings
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Answer, Item, Model, Query, Request

WIDTH, HEIGHT = 60, 40


class SeesRed(Dummy):
    """Answers "red" with the share of red in the picture's brightest place, if the question says "colour"."""

    tasks: ClassVar[frozenset[str]] = frozenset({"visual_question_answering"})

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, pictures: Sequence[Image.Image]) -> list[Any]:
        self.encoded += len(pictures)
        return [np.asarray(picture).astype(float) for picture in pictures]

    def forward(self, features: Sequence[Any], queries: Sequence[Query]) -> Any:
        reds = [(pixels[..., 0] - pixels[..., 1:].max(axis=2)).max() / 255 for pixels in features]
        return [red if "colour" in query.question else 0.5 for red, query in zip(reds, queries, strict=True)]

    def decode(self, outputs: Any, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        both = [(Answer("red", red), Answer("no red", 1 - red)) for red in outputs]
        return [
            tuple(sorted(two, key=lambda one: -one.score))[: query.top_k]
            for two, query in zip(both, queries, strict=True)
        ]


class SeesRedInCells(SeesRed):
    """The same on a grid of 4 x 6 cells."""

    grid = (4, 6)

    def encode(self, pictures: Sequence[Image.Image]) -> list[Any]:
        return super().encode([picture.resize((6, 4), Image.Resampling.BOX) for picture in pictures])

    def hide(self, features: Any, hidden: Sequence[int]) -> Any:
        changed = features.copy()
        changed.reshape(-1, 3)[list(hidden)] = 255
        return changed


def with_spot(row: int, column: int) -> Image.Image:
    """White, with one of 4 x 6 parts red."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    picture.paste((255, 0, 0), (column * 10, row * 10, column * 10 + 10, row * 10 + 10))
    return picture


def item(picture: Image.Image, question: str = "which colour?", **asked: Any) -> Item:
    query = Query(b"", question, top_k=1, explain=asked.pop("explain", "json"), **asked)
    return Item("1", query, Picture("a", picture, picture.width / picture.height), answers=(Answer("red", 1.0),))


def explain(family: Dummy, *items: Item, seconds: float = 60) -> list[Item]:
    return Explainer(family, Explain(), seconds, Stopwatch()).explain(items)


@pytest.mark.parametrize("family", [SeesRed, SeesRedInCells])
@pytest.mark.parametrize("place", [(0, 0), (2, 3), (3, 5)])
def test_the_part_that_decides_has_the_weight_and_no_other(family: type[SeesRed], place: tuple[int, int]):
    [explained] = explain(family(), item(with_spot(*place)))
    wanted = np.zeros((4, 6))
    wanted[place] = 1
    assert explained.explanation is not None
    assert explained.explanation.grid == tuple(map(tuple, wanted))
    assert (explained.explanation.answer, explained.explanation.score) == ("red", 1.0)


def test_a_family_with_a_grid_encodes_the_picture_once():
    family = SeesRedInCells()
    explain(family, item(with_spot(1, 1)))
    assert family.encoded == 1


def test_the_word_that_decides_has_the_weight():
    [explained] = explain(SeesRed(), item(with_spot(1, 1), "which colour is it?"))
    assert explained.explanation is not None
    assert explained.explanation.words == (("which", 0.0), ("colour", 1.0), ("is", 0.0), ("it?", 0.0))


def test_another_answer_can_be_explained_and_rests_on_nothing_that_speaks_against_it():
    [explained] = explain(SeesRed(), item(with_spot(1, 1), answer="no red"))
    assert explained.explanation is not None
    assert explained.explanation.answer == "no red"
    assert explained.explanation.grid[1][1] == 0


def test_an_answer_that_the_model_does_not_give_is_refused():
    [refused] = explain(SeesRed(), item(with_spot(1, 1), answer="blue"))
    assert isinstance(refused.error, InvalidParameter)
    assert "'blue'" in str(refused.error)


def test_items_that_ask_for_no_explanation_pass_untouched():
    plain = item(with_spot(1, 1), explain="")
    plain = replace(plain, picture=Picture("a"))
    first, second = explain(SeesRed(), plain, item(with_spot(1, 1)))
    assert first is plain
    assert second.explanation


def test_a_client_that_waits_no_longer_costs_nothing_more():
    family = SeesRed()
    [late] = explain(family, replace(item(with_spot(1, 1)), deadline=time.time() - 1))
    assert isinstance(late.error, DeadlineExceeded)
    assert family.encoded == 1


def test_explanations_that_take_too_long_end_before_their_worker_is_killed():
    [late] = explain(SeesRed(), item(with_spot(1, 1)), seconds=0)
    assert isinstance(late.error, Overloaded)


@pytest.mark.parametrize(("aspect", "size"), [(1.5, (60, 40)), (3.0, (60, 20)), (0.5, (30, 60))])
def test_the_drawing_has_the_pictures_own_shape(aspect: float, size: tuple[int, int]):
    drawing = Image.open(io.BytesIO(draw_heat_map(with_spot(0, 0), [[1.0, 0.0], [0.0, 0.0]], aspect)))
    assert (drawing.format, drawing.size) == ("PNG", size)


def test_the_drawing_colours_the_heavy_parts_and_leaves_the_others_grey():
    grey = Image.new("RGB", (40, 40), (90, 90, 90))
    drawing = Image.open(io.BytesIO(draw_heat_map(grey, [[1.0, 0.0], [0.0, 0.0]], 1.0)))
    assert len(set(drawing.getpixel((38, 38)))) == 1  # type: ignore[arg-type]
    assert drawing.getpixel((2, 2)) != drawing.getpixel((38, 38))


def make_pipeline() -> Pipeline:
    settings = HandlerSettings(version="1.0.0", family="dummy")
    return Pipeline(VisualQuestionAnswering(settings), SeesRed(), settings, Model("red", "1.0.0"))


def ask(question: str, accept: str = "*/*", explained: bool = True, **fields: str) -> Request:
    headers = {"accept": accept, **({"explain": "True"} if explained else {})}
    sent = {name: value.encode() for name, value in fields.items()}
    return Request(question, {"image": encoded(), "question": question.encode(), **sent}, headers)


def test_explanations_and_predictions_share_a_batch_and_the_caches():
    pipeline = make_pipeline()
    requests = [ask("colour?"), ask("colour?", explained=False), ask("shape?", explained=False)]
    for _ in range(2):
        explained, same, other = (json.loads(reply.body) for reply in pipeline.answer(requests))
        assert explained.pop("explanation")["answer"] == "red"
        assert explained == same
        assert "explanation" not in other


def test_a_picture_is_sent_to_who_accepts_one():
    [reply] = make_pipeline().answer([ask("colour?", accept="image/png")])
    assert reply.content_type == "image/png"
    assert Image.open(io.BytesIO(reply.body)).format == "PNG"


def test_several_questions_are_explained_in_order_but_have_no_one_picture():
    several = {"image": encoded(), "questions": json.dumps(["colour?", "a colour?"]).encode()}
    as_json = Request("1", several, {"explain": "True"})
    as_picture = Request("2", several, {"explain": "True", "accept": "image/png"})
    explained, refused = make_pipeline().answer([as_json, as_picture])
    assert [len(one["explanation"]["words"]) for one in json.loads(explained.body)] == [1, 2]
    assert refused.status == 400


def test_an_answer_to_explain_has_no_place_in_a_prediction():
    [reply] = make_pipeline().answer([ask("colour?", explained=False, answer="red")])
    assert reply.status == 422
    assert "/explanations/" in json.loads(reply.body)["message"]
