from __future__ import annotations

import gc
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bombs import jpeg_of_scans
from tests.support.pictures import as_base64, encoded
from tests.support.pipelines import SETTINGS, Fragile, ask, body, pipeline_of
from vqaserve.errors import RecipeError
from vqaserve.families.dummy import Dummy
from vqaserve.limits import Limits
from vqaserve.pipeline import Pipeline
from vqaserve.settings import CacheLimits
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Answer, Model, Request


@pytest.fixture
def fragile() -> Fragile:
    return Fragile()


@pytest.fixture
def pipeline(fragile: Fragile) -> Pipeline:
    return pipeline_of(fragile)


def test_each_request_gets_the_answer_to_its_own_question_and_picture(pipeline: Pipeline):
    colours = ["red", "lime", "blue", "white", "black"]
    requests = [ask(f"question {index}", encoded(colour)) for index, colour in enumerate(colours)]
    answers = [body(reply)["answer"] for reply in pipeline.answer(requests)]
    hexes = ["ff0000", "00ff00", "0000ff", "ffffff", "000000"]
    assert answers == [f"4x3 #{code}: question {index}" for index, code in enumerate(hexes)]


def test_the_reply_names_the_model_and_its_version(pipeline: Pipeline):
    assert body(pipeline.answer([ask()])[0])["model"] == {"name": "dummy", "version": "1.0.0"}


def test_bad_items_get_their_own_status_and_the_others_their_answers(pipeline: Pipeline):
    replies = pipeline.answer(
        [ask("one"), ask(""), ask("three", b"no picture"), ask("x" * 501), ask("five"), ask(top_k="99")]
    )
    assert [reply.status for reply in replies] == [200, 422, 422, 422, 200, 422]
    assert body(replies[4])["answer"].endswith("five")


def test_an_exception_fails_one_item_only_and_shows_no_detail(pipeline: Pipeline, caplog):
    requests = [ask(str(index)) for index in range(8)]
    requests[5] = Request("id-of-the-failing", ask("fail").fields)
    with caplog.at_level(logging.ERROR):
        replies = pipeline.answer(requests)
    assert [reply.status for reply in replies] == [200] * 5 + [500] + [200] * 2
    assert b"secret" not in replies[5].body
    assert "id-of-the-failing" in caplog.text
    assert "secret detail" in caplog.text


def test_a_query_that_does_not_fit_into_memory_is_refused_alone(pipeline: Pipeline, fragile: Fragile):
    replies = pipeline.answer([ask("a"), ask("huge"), ask("c"), ask("d")])
    assert [reply.status for reply in replies] == [200, 507, 200, 200]
    assert fragile.batches == [4, 2, 1, 1, 2]


def test_a_picture_that_recurs_in_a_batch_is_encoded_once(pipeline: Pipeline, fragile: Fragile):
    pipeline.answer([ask("a"), ask("b"), ask("c", encoded("blue"))])
    assert fragile.encoded == [2]


def test_a_batch_of_nothing_but_bad_input_never_reaches_the_family(pipeline: Pipeline, fragile: Fragile):
    assert [reply.status for reply in pipeline.answer([ask(""), ask("")])] == [422, 422]
    assert fragile.batches == []


def test_several_questions_keep_their_order_and_carry_their_own_errors(pipeline: Pipeline):
    asked = {"image": as_base64(encoded()), "questions": ["a", " ", "fail", "d"], "top_k": 1}
    reply = pipeline.answer([Request("id", {"body": asked})])[0]
    entries = json.loads(reply.body)
    assert reply.status == 200
    assert [entry.get("answer") or entry["code"] for entry in entries] == ["4x3 #ff0000: a", 422, 500, "4x3 #ff0000: d"]


def test_several_questions_that_all_fail_fail_the_request(pipeline: Pipeline):
    asked = {"image": as_base64(encoded()), "questions": ["", ""]}
    assert pipeline.answer([Request("id", {"body": asked})])[0].status == 422


def test_a_parameter_that_the_family_does_not_take_is_refused(pipeline: Pipeline):
    reply = pipeline.answer([ask(num_beams="4")])[0]
    assert reply.status == 422
    assert body(reply)["message"] == "this model takes no parameter 'num_beams'; it takes: top_k"


def test_a_score_that_is_not_a_number_is_a_server_error_of_one_item(pipeline: Pipeline, monkeypatch, caplog):
    def decode(self, outputs, queries):
        scores = [float("nan") if query.question == "nan" else 0.5 for query in queries]
        return [(Answer(output, score),) for output, score in zip(outputs, scores, strict=True)]

    monkeypatch.setattr(Fragile, "decode", decode)
    assert [reply.status for reply in pipeline.answer([ask("a"), ask("nan"), ask("c")])] == [200, 500, 200]


@pytest.mark.parametrize(
    "body",
    [
        {f"field{index}": 1 for index in range(70_000)},
        {"questions": [0] * 130_000},
        {"inputs": [{"name": "x" * 7_000_000, "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
        {"id": "x" * 7_000_000, "inputs": []},
        {"inputs": [{"name": "image", "shape": [9] * 200_000, "datatype": "BYTES", "data": ["a"]}]},
        {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["a"]}] * 2_000},
    ],
)
def test_no_request_makes_a_reply_that_would_kill_the_worker(pipeline: Pipeline, body: dict):
    good, reply = pipeline.answer([ask("good"), Request("id", {"body": body})])
    assert good.status == 200
    assert reply.status == 400
    assert len(reply.body) < 10_000


def test_a_reply_over_torchserves_limit_becomes_an_error_of_its_own(pipeline: Pipeline, monkeypatch, caplog):
    def decode(self, outputs, queries):
        return [(Answer("x" * (5_000_000 if query.question == "long" else 1), 0.5),) for query in queries]

    monkeypatch.setattr(Fragile, "decode", decode)
    assert [reply.status for reply in pipeline.answer([ask("a"), ask("long")])] == [200, 500]


def test_the_pictures_of_one_request_share_a_limit(fragile: Fragile):
    pipeline = small_budget(fragile)
    pictures = [as_base64(encoded(colour)) for colour in ("red", "lime", "blue")]  # 12 pixels each
    body = {"instances": [{"image": picture, "question": "q"} for picture in [*pictures, pictures[0]]]}
    reply = json.loads(pipeline.answer([Request("id", {"body": body})])[0].body)
    assert [entry.get("code", 200) for entry in reply["predictions"]] == [200, 200, 422, 200]


def small_budget(fragile: Fragile) -> Pipeline:
    settings = SETTINGS.model_copy(update={"limits": Limits(max_request_pixels=30)})
    return pipeline_of(fragile, settings)


def test_the_pixel_limit_of_one_request_does_not_affect_another(fragile: Fragile):
    pictures = [encoded(colour) for colour in ("red", "lime", "blue")]  # 12 pixels each
    body = {"instances": [{"image": as_base64(picture), "question": "q"} for picture in pictures]}
    greedy, modest = Request("greedy", {"body": body}), Request("modest", {"image": pictures[2], "question": "q"})
    replies = small_budget(fragile).answer([greedy, modest])
    assert "InvalidImage" in replies[0].body.decode()
    assert json.loads(replies[1].body)["answer"] == "4x3 #0000ff: q"


def test_a_picture_with_several_questions_counts_once(fragile: Fragile):
    pictures = [as_base64(encoded(colour)) for colour in ("red", "red", "red", "lime")]
    body = {"instances": [{"image": picture, "question": str(index)} for index, picture in enumerate(pictures)]}
    reply = json.loads(small_budget(fragile).answer([Request("id", {"body": body})])[0].body)
    assert [entry["answer"][-1] for entry in reply["predictions"]] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"image": "", "question": "\\ud800 what"}', 422),
        (b'{"image": "", "question": "q", "top_k": ' + b"1" * 5000 + b"}", 400),
        (b'{"image": "", "question": "q", "top_k": ' + b"1" * 4000 + b"}", 422),
    ],
)
def test_invalid_input_is_never_a_server_error(pipeline: Pipeline, body: bytes, status: int):
    body = body.replace(b'"image": ""', b'"image": "' + as_base64(encoded()).encode() + b'"')
    reply = pipeline.answer([Request("id", {"body": bytearray(body)})])[0]
    assert reply.status == status
    assert len(reply.body) < 1000


def test_a_request_past_its_deadline_is_refused_before_it_is_parsed(pipeline: Pipeline, fragile: Fragile):
    late = replace(ask(), headers={"x-request-start": "t=1", "x-timeout-ms": "1000"})
    replies = pipeline.answer([late, ask("in time"), replace(late, fields={"body": b"{"})])
    assert [reply.status for reply in replies] == [504, 200, 504]
    assert fragile.batches == [1]


def test_once_the_batchs_time_is_up_further_pictures_get_503(fragile: Fragile):
    settings = SETTINGS.model_copy(update={"limits": Limits(max_decode_seconds=0.4)})
    model = Model("dummy", "1.0.0")
    pipeline = Pipeline(VisualQuestionAnswering(settings), fragile, settings, model, opening_seconds=0.3)
    slow = Request("slow", {"image": jpeg_of_scans(20_000), "question": "q"})
    late = Request("late", {"image": encoded("blue"), "question": "q"})
    replies = pipeline.answer([slow, late])  # 0.4 s of CPU time take as many by the clock at least
    assert [body(reply)["type"] for reply in replies] == ["InvalidImage", "Overloaded"]
    assert replies[1].status == 503
    assert pipeline.answer([late])[0].status == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "dumy"}, r"family 'dumy' does not exist; there are: .*dummy"),
        (
            {"task": "captioning"},
            r"task 'captioning' does not exist; there are: document_redaction_detection, image_",
        ),
        ({"cache": CacheLimits(shared_features_mb=1)}, r"family 'dummy' cannot share features; leave out cache:"),
    ],
)
def test_an_unknown_or_unsuitable_name_is_refused_with_the_allowed_ones(change: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Pipeline.load(Path(), SETTINGS.model_copy(update=change), Model("m", "1.0.0"))


def test_a_family_that_cannot_do_the_task_is_refused_with_the_tasks_it_can_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Dummy, "tasks", frozenset({"zero_shot_image_classification"}))
    with pytest.raises(RecipeError, match=r"cannot do task .* it does: zero_shot_image_classification"):
        Pipeline.load(Path(), SETTINGS, Model("m", "1.0.0"))


def test_a_batch_is_split_when_its_pixels_exceed_the_limit_of_one_request(fragile: Fragile):
    pipeline = small_budget(fragile)  # 30 pixels; each picture has 12
    colours = ["red", "lime", "blue", "white", "black", "yellow", "cyan"]
    requests = [Request(colour, {"image": encoded(colour), "question": colour}) for colour in colours]
    answers = [body(reply)["answer"].split(": ")[1] for reply in pipeline.answer(requests)]
    assert answers == colours
    assert fragile.batches == [3, 3, 1]


def test_the_entries_of_one_request_are_computed_together(fragile: Fragile):
    pictures = [as_base64(encoded(colour)) for colour in ("red", "lime", "blue")]
    many = [{"image": picture, "question": "q"} for picture in pictures[:2]]
    requests = [Request("a", {"body": {"instances": many}}), Request("b", {"image": encoded("blue"), "question": "q"})]
    assert [reply.status for reply in small_budget(fragile).answer(requests)] == [200, 200]
    assert fragile.batches == [3]


def test_a_picture_that_recurs_after_a_split_is_recalled_and_not_encoded_again(fragile: Fragile):
    pipeline = small_budget(fragile)  # 30 pixels; each picture has 12
    colours = ["red", "lime", "blue", "red"]
    requests = [
        Request(str(index), {"image": encoded(colour), "question": "q"}) for index, colour in enumerate(colours)
    ]
    assert [reply.status for reply in pipeline.answer(requests)] == [200] * 4
    assert sum(fragile.encoded) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"body": b"{"},
        {"body": b'{"question": "\xff"}'},
        {"body": b'{"image": "AAAA", "question": 1}'},
        {"body": b'{"image": "AA=A", "question": "what?"}'},
        {"body": b'{"image": "AAAA", "question": "what?"}'},
        {"body": b'{"inputs": [{"image": "AAAA", "question": "what?"}, {"image": "AAAA"}]}'},
        {"body": b'{"instances": [{"image": "AAAA", "question": "what?"}, {"question": "what?"}]}'},
        {"image": encoded()[:50], "question": "what?"},
        {"image": encoded(), "question": "x" * 501},
        {"image": encoded(), "question": "fail"},
    ],
    ids=["json", "charset", "type", "base64", "file", "inputs", "instances", "damage", "question", "model"],
)
def test_a_request_that_is_refused_is_freed_without_the_garbage_collector(pipeline: Pipeline, fields: dict):
    pipeline.answer([ask()])
    gc.collect()
    gc.disable()
    try:
        pipeline.answer([Request("id", fields), Request("other", fields)])
        assert gc.collect() == 0
    finally:
        gc.enable()
