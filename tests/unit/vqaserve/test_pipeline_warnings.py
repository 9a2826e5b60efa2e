"""A reply names what was sent and not used, and how the picture was read."""

from __future__ import annotations

import pytest

from tests.support.pictures import animated, as_base64, encoded
from tests.support.pipelines import Fragile, ask, body, pipeline_of
from vqaserve.pipeline import Pipeline
from vqaserve.types import Request


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of(Fragile())


def test_a_parameter_that_a_chat_sends_to_every_model_is_ignored_with_a_warning(pipeline: Pipeline):
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{as_base64(encoded())}"}}
    content = [picture, {"type": "text", "text": "what?"}]
    asked = {"model": "dummy", "messages": [{"role": "user", "content": content}], "temperature": 0.7}
    reply = pipeline.answer([Request("id", {"body": asked}, {"url_path": "v1/chat/completions"})])[0]
    assert reply.status == 200
    assert body(reply)["warnings"] == ["this model does not take temperature, which had no effect"]


def test_the_first_frame_of_an_animation_comes_with_a_warning_also_from_the_caches(pipeline: Pipeline):
    note = ["the picture has several frames or pages; only the first was used"]
    decoded, recalled, answered = (pipeline.answer([ask(question, animated())])[0] for question in ("a", "b", "a"))
    assert [body(reply)["warnings"] for reply in (decoded, recalled, answered)] == [note] * 3
    assert "warnings" not in body(pipeline.answer([ask("a")])[0])


def test_an_unread_part_of_a_question_comes_with_a_warning_also_from_the_cache(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Fragile, "warnings", lambda self, query: (f"{query.question[:3]} is all that was read",))
    first, recalled = (body(pipeline.answer([ask("what is it?")])[0]) for _ in range(2))
    assert first["warnings"] == recalled["warnings"] == ["wha is all that was read"]


def test_each_instance_has_the_warnings_of_its_own_picture(pipeline: Pipeline):
    pictures = [as_base64(encoded()), as_base64(animated("blue"))]
    asked = {"instances": [{"image": picture, "question": "q"} for picture in pictures]}
    first, second = body(pipeline.answer([Request("id", {"body": asked})])[0])["predictions"]
    assert "warnings" not in first
    assert len(second["warnings"]) == 1
