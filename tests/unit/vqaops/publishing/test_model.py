from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.published import tiny_recipe
from vqaops.paths import RECIPES
from vqaops.publishing.model import model_publication
from vqaserve.errors import RecipeError


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return tiny_recipe(tmp_path / "tiny")


def test_what_may_run_where_it_is_loaded_is_left_out_and_named(recipe: Path):
    for name in ("torch.py", "weights/vocab.pkl", "weights/best.pth", "weights/code.py", "samples/key_file.json"):
        (recipe / name).write_text("")
    (recipe / ".env").write_text("HF_TOKEN=abc")
    (recipe / ".git").mkdir()
    (recipe / ".git" / "config").write_text("")
    publication = model_publication(recipe)
    assert set(publication.left_out) == {
        "torch.py",
        "weights/vocab.pkl",
        "weights/best.pth",
        "weights/code.py",
        "samples/key_file.json",
    }
    assert not [name for name in publication.files if name.startswith(".")]


@pytest.mark.parametrize(
    ("name", "license"), [("shapes", "apache-2.0"), ("rooms", "other"), ("redactions", "apache-2.0")]
)
def test_the_recipes_of_the_project_can_be_published_whole(name: str, license: str):
    publication = model_publication(RECIPES / name)
    assert publication.license == license
    assert not publication.left_out


@pytest.mark.parametrize("name", ["model-config.yaml", "README.md", "samples/questions.jsonl"])
def test_an_incomplete_recipe_is_refused(recipe: Path, name: str):
    (recipe / name).unlink()
    with pytest.raises(RecipeError, match=f"{name} is missing"):
        model_publication(recipe)


def test_a_recipe_without_safetensors_is_refused(recipe: Path):
    for file in (recipe / "weights").iterdir():
        file.unlink()
    (recipe / "weights" / "model.pth").write_bytes(b"")
    with pytest.raises(RecipeError, match="holds no weights that can be published"):
        model_publication(recipe)


@pytest.mark.parametrize(
    ("front", "reason"),
    [("license: [", "expected the node content"), ("- a", "should be a dict"), ("model-index: 3", "model_index")],
)
def test_front_matter_that_is_no_model_cards_is_refused_in_one_line(recipe: Path, front: str, reason: str):
    (recipe / "README.md").write_text(f"---\n{front}\n---\n# tiny\n")
    with pytest.raises(
        RecipeError, match=rf"the front matter of .*README\.md is not a model card's: .*{reason}"
    ) as caught:
        model_publication(recipe)
    assert "\n" not in str(caught.value)


def test_a_card_without_front_matter_has_an_unknown_license(recipe: Path):
    (recipe / "README.md").write_text("# tiny\n")
    assert model_publication(recipe).license == "unknown"
