"""A recipe as a model repository on the Hub."""

from __future__ import annotations

from pathlib import Path

from vqaops.building.archive_content import files_in
from vqaops.importing.recipe_files import CARD, CONFIG, is_recipe, may_travel
from vqaops.paths import resolved
from vqaops.publishing.publication import Publication
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig
from vqaserve.text_files import read_text

try:
    from huggingface_hub import ModelCard
except ModuleNotFoundError:
    raise RecipeError("huggingface-hub is not installed; .venv/bin/pip install -c constraints.txt -e '.[hf]'") from None


def model_publication(recipe: Path) -> Publication:
    """The files of a recipe that belong into its repository, under the same paths.

    Raises:
        RecipeError: The folder is not a complete recipe, or its card's front matter is not valid.
    """
    recipe = resolved(recipe)
    if not recipe.is_dir():
        raise RecipeError(f"{recipe} is not a folder; give a recipe's folder, such as recipes/shapes")
    files = files_in(recipe)
    for needed in (CONFIG, CARD, "samples/questions.jsonl"):
        if needed not in files:
            raise RecipeError(f"{recipe / needed} is missing; see recipes/shapes for a complete recipe")
    ModelConfig.read(files[CONFIG])
    published = {name: path for name, path in files.items() if may_travel(name)}
    if not is_recipe(published):
        raise RecipeError(f"{recipe} holds no weights that can be published; they are safetensors in weights/")
    return Publication(
        "model",
        published,
        ("weights/", "samples/", "unanswerable/"),
        *_license(files[CARD]),
        tuple(name for name in files if name not in published),
    )


def _license(card: Path) -> tuple[str, str]:
    """The license of a model card, and its name if it has no identifier; the front matter is checked on the way.

    Raises:
        RecipeError: The front matter is not YAML, or not a model card's.
    """
    try:
        data = vars(ModelCard(read_text(card)).data)
    except Exception as error:  # noqa: BLE001 - besides ValueError, those of the YAML library
        reason = " ".join(str(error).partition(" Pass `ignore_metadata_errors")[0].split())
        raise RecipeError(f"the front matter of {card} is not a model card's: {reason}") from None
    return str(data.get("license") or "unknown"), str(data.get("license_name") or "")
