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
from vqaserve.types import Query

QUESTION = "what colour is the cat?"
PICTURE = encoded("blue", (40, 30))


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A recipe with a tiny random model for each family, under its name."""
    made = {}
    for family in FAMILIES:
        recipe = tmp_path_factory.mktemp("families") / family
        settings = make_weights(family, recipe / "weights")
        complete_recipe(recipe, settings, PICTURE, QUESTION)
        made[family] = recipe
    return made


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], recipes: dict[str, Path]) -> Server:
    return serve(*recipes.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_served_and_answers_as_it_does_alone(family: str, server: Server, recipes: dict[str, Path]):
    client = InferenceClient(
        f"{server.client.addresses.inference}/predictions/{family}", token=server.client.token("inference")
    )
    served = client.visual_question_answering(PICTURE, QUESTION, top_k=1)

    settings = ModelConfig.read(recipes[family] / "model-config.yaml").handler
    model = find_family(family).load(recipes[family], settings)
    queries = [Query(PICTURE, QUESTION, top_k=1)]
    features = model.encode([open_picture(PICTURE, settings.limits.pictures).pixels])
    (expected,) = model.decode(model.forward(features, queries), queries)[0]
    assert served[0].answer == expected.answer
    assert served[0].score == pytest.approx(expected.score, abs=1e-4)
