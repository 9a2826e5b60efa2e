"""Publish a recipe, or the chat page, on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vqaops.console import new_console, one_line_errors
from vqaops.importing.recipes import check_device
from vqaops.paths import resolved
from vqaops.publishing.licenses import may_be_passed_on
from vqaops.publishing.publication import Publication
from vqaops.publishing.secrets import check_files
from vqaops.publishing.target import Target
from vqaserve.errors import RecipeError

app = typer.Typer(no_args_is_help=True, add_completion=False)


Repo = Annotated[str, typer.Option(help="USER/NAME or ORGANISATION/NAME; created if it does not exist.")]
Private = Annotated[
    bool | None, typer.Option("--private/--public", help="Of a new repository; by default the account's setting.")
]
Message = Annotated[str | None, typer.Option(help="By default it names what is published.")]
Revision = Annotated[str, typer.Option(help="A branch; created if it does not exist.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be uploaded, and send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Publish although the license does not let everyone pass it on.")]


@app.command()
def model(
    recipe: Annotated[Path, typer.Argument(help="A recipe's folder.")],
    repo: Repo,
    private: Private = None,
    commit_message: Message = None,
    revision: Revision = "main",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Upload a recipe: weights, vocabulary, answers, settings, samples and model card. HF_TOKEN must allow writing.

    scripts/build_mar.py --from-hub USER/NAME makes the same recipe of it again.

    Example: scripts/publish.py model recipes/shapes --repo me/shapes --private
    """
    with one_line_errors("publish"):
        from vqaops.publishing.model import model_publication  # needs the extra hf

        target = Target(repo, commit_message or f"Publish {resolved(recipe).name}", revision, private)
        _publish(model_publication(recipe), target, dry_run, yes)


@app.command()
def space(
    repo: Repo,
    model_repo: Annotated[
        str | None, typer.Option(help="The Space's MODEL_REPO_ID: USER/NAME of a model; by default recipes/shapes.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="The Space's DEVICE: auto, cpu or cuda.")] = None,
    private: Private = None,
    commit_message: Message = None,
    revision: Revision = "main",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Upload the chat page as a Space with Docker. A private model needs the secret HF_TOKEN in the Space's settings.

    Example: scripts/publish.py space --repo me/ask-a-picture --model-repo me/shapes
    """
    with one_line_errors("publish"):
        from vqaops.publishing.space import space_publication  # needs the extra hf

        if device is not None:
            check_device(device)
        given = {"MODEL_REPO_ID": model_repo, "DEVICE": device}
        variables = {name: value for name, value in given.items() if value is not None}
        target = Target(repo, commit_message or "Publish the chat page", revision, private)
        _publish(space_publication(variables), target, dry_run, yes)


def _publish(publication: Publication, target: Target, dry_run: bool, yes: bool) -> None:
    console = new_console()
    _show(publication, console)
    check_files(publication.files)
    if not may_be_passed_on(publication.license):
        name = f" ({publication.license_name})" if publication.license_name else ""
        refused = (
            f"the card's license is {publication.license!r}{name}, which does not let everyone pass the files on; read "
            "the card, and give --yes if you may publish them"
        )
        if not yes and not dry_run:
            raise RecipeError(refused)
        console.print(f"[yellow]{escape(refused)}[/]")
    if dry_run:
        console.print("nothing was sent (--dry-run)")
        return
    from vqaops.publishing.hub import publish  # needs the extra hf

    done = publish(publication, target)
    for name in done.removed:
        console.print(f"removed {escape(name)}, which is no longer part of it")
    state = "published" if done.changed else "unchanged, the repository has these files already"
    console.print(f"[green]{state}[/]: {escape(done.url)} at {done.commit}")


def _show(publication: Publication, console: Console) -> None:
    """Print what will be uploaded, with sizes."""
    table = Table("file", "bytes", box=None)
    table.columns[1].justify = "right"
    sizes = publication.sizes
    for name, size in sizes.items():
        table.add_row(escape(name), f"{size:,}")
    console.print(table)
    console.print(f"{len(sizes)} files, {sum(sizes.values()) / 1e6:,.1f} MB, license {escape(publication.license)}")
    if publication.left_out:
        console.print(escape(f"not uploaded: {', '.join(publication.left_out)}"))


if __name__ == "__main__":
    app()
