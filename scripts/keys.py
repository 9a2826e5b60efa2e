"""The gateway's API keys: `add`, `list`, `revoke`. Each holds at once; nothing is reloaded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.rendering import SOURCES
from vqaops.paths import ROOT

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = Console(highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Argument(help="Whose it is; the access log and the limits know it by this.")]
Config = Annotated[Path, typer.Option(help="The gateway's settings: `keys` in it is the folder.")]
Run = Annotated[Path, typer.Option(help="The server's folder; the keys are in it unless the settings say otherwise.")]


@app.command()
def add(name: Name, config: Config = SOURCES / "gateway.yaml", run: Run = ROOT / "run") -> None:
    """Make a key and print it; it is not kept, so this is the only time.

    Example: scripts/keys.py add chat-app
    """
    try:
        typer.echo(Gateway(run.resolve(), config).keys.add(name))
    except ServerError as error:
        refuse("keys", error)


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    config: Config = SOURCES / "gateway.yaml",
    run: Run = ROOT / "run",
) -> None:
    """Show whose keys there are, and since when.

    Example: scripts/keys.py list --json
    """
    try:
        entries = Gateway(run.resolve(), config).keys.entries()
    except ServerError as error:
        refuse("keys", error)
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries]))
        return
    table = Table("name", "made", "sha256")
    for entry in entries:
        table.add_row(entry.name, entry.created, f"{entry.digest[:16]}...")
    console.print(table if entries else "no keys; make one: scripts/keys.py add NAME")


@app.command()
def revoke(name: Name, config: Config = SOURCES / "gateway.yaml", run: Run = ROOT / "run") -> None:
    """Refuse a key from the next request on.

    Example: scripts/keys.py revoke chat-app
    """
    try:
        Gateway(run.resolve(), config).keys.revoke(name)
    except ServerError as error:
        refuse("keys", error)
    console.print(f"{name} is refused from now on")


if __name__ == "__main__":
    app()
