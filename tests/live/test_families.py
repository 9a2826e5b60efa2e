"""Every family under a real TorchServe, asked by the real ``InferenceClient``: the answers of the model itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import InferenceClient

from tests.support.pictures import encoded
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.server.server import Server
from vqaserve.families import FAMILIES, find_family
from vqaserve.images import open_picture
from vqaserve.settings import ModelConfig
from vqaserve.types import Answer, Query

QUESTION = "what colour is the cat?"
LABELS = ["a cat", "a dog", "something blue"]
TEMPLATE = "a photo of {}"
PICTURE = encoded("blue", (40, 30))


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A recipe with a tiny random model for each family, under its name."""
    made = {}
    for family in BY_THE_CLIENT:
        recipe = tmp_path_factory.mktemp("families") / family
        settings = make_weights(family, recipe / "weights")
        complete_recipe(recipe, settings, PICTURE, QUESTION)
        made[family] = recipe
    return made


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], recipes: dict[str, Path]) -> Server:
    return serve(*recipes.values())


def ask_vqa(client: InferenceClient) -> list[Answer]:
    return [Answer(one.answer, one.score) for one in client.visual_question_answering(PICTURE, QUESTION, top_k=1)]


def ask_zero_shot(client: InferenceClient) -> list[Answer]:
    found = client.zero_shot_image_classification(PICTURE, candidate_labels=LABELS, hypothesis_template=TEMPLATE)
    return [Answer(one.label, one.score) for one in found]


def ask_classes(client: InferenceClient) -> list[Answer]:
    return [Answer(one.label, one.score) for one in client.image_classification(PICTURE)]


ASKED = {
    "visual_question_answering": (ask_vqa, Query(PICTURE, QUESTION, top_k=1)),
    "zero_shot_image_classification": (
        ask_zero_shot,
        Query(PICTURE, labels=tuple(LABELS), hypothesis_template=TEMPLATE, top_k=len(LABELS)),
    ),
    "image_classification": (ask_classes, Query(PICTURE, top_k=5)),
}


BY_THE_CLIENT = [name for name in FAMILIES if find_family(name).tasks <= ASKED.keys()]
"""The Hub's client has no call for documents; test_redactions.py asks those."""


@pytest.mark.parametrize("family", BY_THE_CLIENT)
def test_a_family_is_served_and_answers_as_it_does_alone(family: str, server: Server, recipes: dict[str, Path]):
    client = InferenceClient(
        f"{server.client.addresses.inference}/predictions/{family}", token=server.client.token("inference")
    )
    settings = ModelConfig.read(recipes[family] / "model-config.yaml").handler
    ask, query = ASKED[settings.task]
    served = ask(client)

    model = find_family(family).load(recipes[family], settings)
    features = model.encode([open_picture(PICTURE, settings.limits.pictures).pixels])
    (expected,) = model.decode(model.forward(features, [query]), [query])
    assert [one.answer for one in served] == [one.answer for one in expected]
    assert [one.score for one in served] == pytest.approx([one.score for one in expected], abs=1e-4)
