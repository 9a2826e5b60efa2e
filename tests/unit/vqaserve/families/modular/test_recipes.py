from __future__ import annotations

import json

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from vqaops.paths import RECIPES
from vqaserve.families.modular import Modular
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

NAMES = ["shapes", "rooms"]


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_recipe_answers_its_samples(name: str):
    recipe = RECIPES / name
    family = Modular.load(recipe, ModelConfig.read(recipe / "model-config.yaml").handler)
    for line in (recipe / "samples" / "questions.jsonl").read_text().splitlines():
        sample = json.loads(line)
        with Image.open(recipe / "samples" / sample["image"]) as picture:
            features = family.encode([picture.convert("RGB")])
        queries = [Query(b"", sample["question"], 5)]
        (answers,) = family.decode(family.forward(features, queries), queries)
        assert answers[0].answer in sample["answers"], sample["question"]


@pytest.mark.parametrize(("name", "most"), [("shapes", 2_000_000), ("rooms", 30_000_000)])
def test_committed_weights_are_complete_and_small(name: str, most: int):
    files = list((RECIPES / name / "weights").iterdir())
    assert {file.name for file in files} == {"answers.txt", "config.json", "model.safetensors", "tokenizer.json"}
    assert sum(file.stat().st_size for file in files) <= most


@pytest.mark.parametrize("name", NAMES)
def test_sample_pictures_are_small_and_all_asked_about(name: str):
    samples = RECIPES / name / "samples"
    asked = {json.loads(line)["image"] for line in (samples / "questions.jsonl").read_text().splitlines()}
    pictures = [file for file in samples.iterdir() if file.suffix == ".jpg"]
    assert {file.name for file in pictures} == asked
    assert max(file.stat().st_size for file in pictures) < 150_000


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_what_the_hub_reads(name: str):
    card = ModelCard.load(RECIPES / name / "README.md")
    assert card.data.pipeline_tag == "visual-question-answering"
    assert card.data.eval_results
    assert card.data.license
    assert "?" not in str(card.data.eval_results[0].metric_value)
