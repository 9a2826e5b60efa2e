"""Archives of recipes, for the servers that a benchmark starts and for the floor."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from vqaops.building.build import archive_of, build, is_current
from vqaops.store.archive import Archive


def current_archive(recipe: Path, store: Path) -> Archive:
    """Return the recipe's archive in a store, built if it is missing or not current.

    Raises:
        RecipeError: The recipe does not build.
    """
    archive = archive_of(recipe, store)
    return archive if is_current(archive, recipe) else build(recipe, store, replace=True)


def unpack(archive: Archive, folder: Path) -> Path:
    """Return a folder with an archive's files, so that the floor loads what the workers load."""
    recipe = folder / f"{archive.name}-{archive.version}"
    shutil.rmtree(recipe, ignore_errors=True)
    with zipfile.ZipFile(archive.path) as packed:
        packed.extractall(recipe)
    return recipe
