"""Pack a recipe and the handler into a model archive, which is stored only if it answers its first sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vqaops.building.build import archive_of, build, is_current
from vqaops.console import new_console, one_line_errors
from vqaops.paths import MODEL_STORE, RECIPES, resolved, short_path
from vqaops.store import checksums
from vqaserve.errors import RecipeError


def main(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe's folder; its name is the model's.")] = None,
    from_hub: Annotated[
        str | None,
        typer.Option(help="ORG/NAME on the Hugging Face Hub; by default MODEL_REPO_ID. HF_TOKEN opens private ones."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag on the Hub; it is pinned.")] = None,
    from_folder: Annotated[Path | None, typer.Option(help="A local Hugging Face folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The new recipe; by default recipes/<the model's name>.")
    ] = None,
    pickled: Annotated[bool, typer.Option("--pickled", help="Allow pickled weights if there are no others.")] = False,
    device: Annotated[str, typer.Option(envvar="DEVICE", help="In the new recipe: auto, cpu or cuda.")] = "auto",
    store: Annotated[Path, typer.Option(help="The model store.")] = MODEL_STORE,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an archive of this version that has other content.")
    ] = False,
    sign: Annotated[Path | None, typer.Option(help="Sign the store's SHA256SUMS with this SSH key.")] = None,
) -> None:
    """Build a model archive (.mar) from a recipe, or make the recipe first: from the Hub, or from a folder.

    An archive whose content is current is not built again.

    Examples: scripts/build_mar.py recipes/shapes; scripts/build_mar.py --from-hub Salesforce/blip-vqa-base
    """
    console = new_console()
    if recipe is None and from_folder is None:
        from_hub = from_hub or os.environ.get("MODEL_REPO_ID")
    if sum(given is not None for given in (recipe, from_hub, from_folder)) != 1:
        raise typer.BadParameter("give one of RECIPE, --from-hub ORG/NAME, --from-folder FOLDER")
    with one_line_errors("build_mar"):
        if sign and not sign.is_file():
            raise RecipeError(f"{sign} is not a file; give an SSH private key, or leave --sign out")
        if recipe is None:
            from vqaops.importing.sources import Source, make_recipe  # imports torch, which packing does not need

            source = Source(from_hub, from_folder, revision, pickled, device)
            recipe = output or RECIPES / source.name
            make_recipe(source, recipe, console)
        store = resolved(store)
        archive = archive_of(recipe, store)
        if is_current(archive, recipe):
            archive.check()
        else:
            with console.status(f"packing {archive.name} and asking it its first sample"):
                archive = build(recipe, store, replace)
        if sign:
            checksums.sign(store, sign)
        size, sha256 = archive.path.stat().st_size / 1e6, archive.sha256
    where = escape(str(short_path(archive.path)))
    console.print(f"{where}: {archive.name} {archive.version}, {size:.1f} MB, sha256 {sha256}")


if __name__ == "__main__":
    typer.run(main)
