"""Finds the models that the command line names, and packs the archives that their servers need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from loadtest.bench import classifier_recipe
from loadtest.bench.photographs import PHOTOGRAPHS, photographs
from loadtest.bench.plan import BenchModel
from loadtest.bench.recipe_archives import current_archive, unpack
from loadtest.pairs import QUESTIONS, Pair, all_pairs
from vqaops.paths import RECIPES, resolved
from vqaops.store.archive import Archive
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig
from vqaserve.tasks import find_task

MODELS = ("rooms", "vilt", "shapes")


def find_model(name: str, output: Path, console: Console) -> tuple[BenchModel, list[Archive]]:
    """Return a model and the archives that its server needs.

    Args:
        name: ``vilt``, ``effnet-b2``, the name or folder of a recipe, or a ``.mar`` file.
        output: Folder for the archives and their unpacked files.
        console: Shows the progress.

    Raises:
        RecipeError: There is no such model, or it does not build.
    """
    pictures = photographs(PHOTOGRAPHS)
    if name == "vilt":
        return _vilt(pictures, output, console)
    if name.endswith(".mar"):
        archive = Archive.read(resolved(Path(name)))
    else:
        if name == classifier_recipe.NAME:
            recipe = classifier_recipe.make_recipe(output / "recipes", pictures)
        else:
            recipe = find_recipe(name, "vilt", classifier_recipe.NAME, "a .mar file")
        with console.status(escape(f"packing {recipe.name}")):
            archive = current_archive(recipe, output / "store")
    unpacked = unpack(archive, output / "unpacked")
    return BenchModel(archive.name, unpacked, all_pairs(pictures, _questions(unpacked))), [archive]


def _questions(recipe: Path) -> Sequence[str]:
    """What is asked about each picture; a classifier of pictures is asked nothing."""
    task = find_task(ModelConfig.read(recipe / "model-config.yaml").handler.task)
    return QUESTIONS if "question" in task.fields else ("",)


def find_recipe(name: str, *others: str) -> Path:
    """Return the folder of a recipe.

    Args:
        name: The recipe's name or folder.
        others: What else the command takes, for the error message.

    Raises:
        RecipeError: There is no such recipe.
    """
    for folder in (RECIPES / name, resolved(Path(name))):
        if (folder / "model-config.yaml").is_file():
            return folder
    takes = ", ".join(["the name of a recipe in recipes/", "the folder of a recipe", *others])
    raise RecipeError(f"there is no model {name!r}; possible are: {takes}")


def _vilt(pictures: list[bytes], output: Path, console: Console) -> tuple[BenchModel, list[Archive]]:
    from loadtest.bench.vilt_recipes import make_recipes  # imports transformers, which no other model here needs

    made = make_recipes(output / "recipes", pictures, console)
    with console.status("packing the ViLT-sized model; the first time converts it"):
        archives = [current_archive(recipe, output / "store") for recipe in made.recipes]
    pairs: list[Pair] = all_pairs(pictures)
    model = BenchModel(
        "vilt",
        unpack(archives[0], output / "unpacked"),
        pairs,
        twins={archive.name.removeprefix("vilt-"): archive.name for archive in archives[1:]},
        transformers=True,
        held_out=made.pairs[len(pairs) :],
        known=made.known,
    )
    return model, archives
