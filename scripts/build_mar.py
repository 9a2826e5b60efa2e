"""Pack a recipe and the handler into a model archive, and try it before it is put into the model store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vqaops.building.build import archive_of, build, is_current
from vqaops.console import refuse
from vqaops.paths import MODEL_STORE, RECIPES
from vqaops.store import checksums
from vqaserve.errors import RecipeError


def main(
    recipe: Annotated[Path | None, typer.Argument(exists=True, file_okay=False, help="A recipe folder.")] = None,
    from_hub: Annotated[
        str | None,
        typer.Option(help="ORG/NAME on the Hugging Face Hub, or MODEL_REPO_ID; HF_TOKEN opens private ones."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag there; it is pinned.")] = None,
    from_folder: Annotated[Path | None, typer.Option(help="A local Hugging Face folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The new recipe; by default recipes/<the model's name>.")
    ] = None,
    pickled: Annotated[bool, typer.Option("--pickled", help="Take pickled weights where there are no others.")] = False,
    device: Annotated[str, typer.Option(envvar="DEVICE", help="Of the new recipe: auto, cpu or cuda.")] = "auto",
    store: Annotated[Path, typer.Option(help="Where the archive goes.")] = MODEL_STORE,
    replace: Annotated[
        bool, typer.Option("--replace", help="Although the store has another archive of this version.")
    ] = False,
    sign: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="An SSH key; signs the store's SHA256SUMS with it."),
    ] = None,
) -> None:
    """Build a model archive (.mar) from a recipe, or make the recipe first: from the Hub, or from a folder.

    Examples: scripts/build_mar.py recipes/shapes; scripts/build_mar.py --from-hub Salesforce/blip-vqa-base
    """
    console = Console(highlight=False, soft_wrap=True)
    if recipe is None and from_folder is None:
        from_hub = from_hub or os.environ.get("MODEL_REPO_ID")
    if sum(given is not None for given in (recipe, from_hub, from_folder)) != 1:
        raise typer.BadParameter("give one of RECIPE, --from-hub ORG/NAME, --from-folder FOLDER")
    try:
        if recipe is None:
            from vqaops.importing.sources import Source, make_recipe  # imports torch, which packing does not need

            source = Source(from_hub, from_folder, revision, pickled, device)
            recipe = output or RECIPES / source.name
            make_recipe(source, recipe, console)
        archive = archive_of(recipe, store)
        if is_current(archive, recipe):
            archive.check()
        else:
            with console.status(f"packing {recipe.name} and trying it"):
                archive = build(recipe, store, replace)
        if sign:
            checksums.sign(store, sign)
    except RecipeError as error:
        refuse("build_mar", error)
    size = archive.path.stat().st_size / 1e6
    console.print(f"{archive.path}: {archive.name} {archive.version}, {size:.1f} MB, sha256 {archive.sha256}")


if __name__ == "__main__":
    typer.run(main)
