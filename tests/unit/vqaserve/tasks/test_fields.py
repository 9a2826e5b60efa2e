"""What a task says that it reads is what it reads; every other field is refused by name, or has a warning."""

from __future__ import annotations

import pytest

from tests.support.documents import DarkBars
from tests.support.pictures import encoded
from tests.support.pipelines import SETTINGS, body
from vqaserve.families.dummy import Dummy
from vqaserve.pipeline import Pipeline
from vqaserve.protocols.plain import PlainRequest
from vqaserve.tasks import TASKS, find_task
from vqaserve.types import Model, Reply, Request

PICTURE = encoded()
VALUES = {
    "image_url": b"https://images.example.org/a.png",
    "question": b"what?",
    "questions": b'["what?", "why?"]',
    "conversation": b'[{"question": "what?", "answer": "red"}]',
    "labels": b"a cat,a dog",
    "candidate_labels": b'["a cat", "a dog"]',
    "hypothesis_template": b"a photo of {}",
    "pages": b"1",
    "top_k": b"1",
    "answer": b"red",
    "max_new_tokens": b"5",
    "num_beams": b"2",
    "temperature": b"1",
    "top_p": b"0.5",
    "seed": b"1",
}
READ = {"image_url": "this server fetches none", "answer": "the model does not give the answer 'red' here"}
"""What is said about a value that was read and is not right."""

NAMED = {
    "image_url": "not fetched by URL",
    "questions": "'question'",
    "candidate_labels": "'labels'",
    "conversation": "earlier turns",
}
"""What a refusal or a warning calls a field, if not by its name."""

NEEDED = {
    "visual_question_answering": {"question": b"what?"},
    "zero_shot_image_classification": {"labels": b"a cat,a dog"},
}
ALIKE = ({"question", "questions"}, {"labels", "candidate_labels"}, {"image", "image_url"})
"""Fields of which a request has one."""


def test_no_field_is_left_out():
    assert VALUES.keys() | {"image"} == PlainRequest.model_fields.keys()


def request(task: str, name: str) -> Request:
    """A request that is good without the field, and has it."""
    alike = next((names for names in ALIKE if name in names), {name})
    needed = {other: value for other, value in {"image": PICTURE, **NEEDED.get(task, {})}.items() if other not in alike}
    return Request("id", {**needed, name: VALUES[name]}, {"explain": "True"} if name == "answer" else {})


def warnings(reply: Reply) -> str:
    said = body(reply)
    return " ".join([*said.get("warnings", ()), *(text for page in said.get("pages", ()) for text in page["warnings"])])


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("task", TASKS)
def test_a_field_is_read_where_the_task_says_so_and_elsewhere_refused_by_name(task: str, name: str):
    settings = SETTINGS.model_copy(update={"task": task})
    family = DarkBars() if task == "document_redaction_detection" else Dummy()
    pipeline = Pipeline(find_task(task)(settings), family, settings, Model("m", "1.0.0"))
    (reply,) = pipeline.answer([request(task, name)])
    if name in find_task(task).fields:
        assert reply.status == 200 or READ.get(name, "?") in body(reply)["message"], body(reply)
        assert "no effect" not in reply.body.decode()
    else:
        assert NAMED.get(name, f"'{name}'") in (body(reply)["message"] if reply.status == 422 else warnings(reply))
