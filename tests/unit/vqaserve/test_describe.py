"""What a worker says of its model, from which gateways and clients learn what it takes."""

from __future__ import annotations

import pytest

from tests.support.pipelines import SETTINGS, body, pipeline_of
from vqaserve.families.dummy import Dummy
from vqaserve.pipeline import Pipeline
from vqaserve.tasks import find_task
from vqaserve.types import Model


def test_describe_names_task_family_and_limits():
    described = body(pipeline_of(Dummy()).describe())
    assert (described["task"], described["family"]) == ("visual_question_answering", "dummy")
    assert described["limits"]["max_questions"] == 32
    assert "question" in described["request"]["properties"]


@pytest.mark.parametrize(
    ("task", "fields", "inputs", "outputs"),
    [
        (
            "visual_question_answering",
            {"image", "image_url", "question", "questions", "conversation", "top_k", "answer"},
            ["image", "question"],
            ["answer", "score", "abstained"],
        ),
        (
            "zero_shot_image_classification",
            {"image", "image_url", "labels", "candidate_labels", "hypothesis_template", "top_k", "answer"},
            ["image", "labels"],
            ["label", "score", "abstained"],
        ),
        ("image_classification", {"image", "image_url", "top_k", "answer"}, ["image"], ["label", "score", "abstained"]),
        ("document_redaction_detection", {"image", "pages", "answer"}, ["image"], ["label", "score", "abstained"]),
    ],
)
def test_describe_lists_what_the_task_takes_and_gives(
    task: str, fields: set[str], inputs: list[str], outputs: list[str]
):
    settings = SETTINGS.model_copy(update={"task": task})
    described = body(Pipeline(find_task(task)(settings), Dummy(), settings, Model("dummy", "1.0.0")).describe())
    assert described["request"]["properties"].keys() == fields
    assert ("Exchanged" in described["request"].get("$defs", {})) == ("conversation" in fields)
    assert [one["name"] for one in described["metadata"]["inputs"]] == inputs
    assert [one["name"] for one in described["metadata"]["outputs"]] == outputs


def test_describe_lists_the_parameters_that_the_family_takes():
    class Writer(Dummy):
        @property
        def parameters(self) -> dict[str, tuple[float, float]]:
            return {"temperature": (0.0, 2.0), "top_logprobs": (0.0, 20.0)}

    assert "temperature" in body(pipeline_of(Writer()).describe())["request"]["properties"]
