"""Add, list and revoke the gateway's API keys. Changes apply to the next request, without a reload."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.rendering import GATEWAY_FILES
from vqaops.paths import RUN, resolved

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = new_console()

Name = Annotated[str, typer.Argument(help="The owner's name, which the access log shows and the limits apply to.")]
Config = Annotated[Path, typer.Option(help="The gateway's settings; `keys` in them is the folder of keys.")]
Run = Annotated[
    Path, typer.Option(help="The server's run folder; the keys are in it unless the settings name another folder.")
]


@app.command()
def add(name: Name, config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Create a key and print it. The key itself is not stored, so this is the only time it is shown.

    Example: scripts/keys.py add chat-app
    """
    with one_line_errors("keys"):
        typer.echo(Gateway(resolved(run), config).keys.add(name))


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Config = GATEWAY_FILES / "gateway.yaml",
    run: Run = RUN,
) -> None:
    """List the names of the keys and when each was created.

    Example: scripts/keys.py list --json
    """
    with one_line_errors("keys"):
        entries = _existing(run, config).keys.entries()
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries]))
        return
    table = Table("name", "created", "sha256")
    for entry in entries:
        table.add_row(escape(entry.name), escape(entry.created), f"{entry.digest[:16]}...")
    console.print(table if entries else "no keys; create one: scripts/keys.py add NAME")


@app.command()
def revoke(name: Name, config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Refuse a key from the next request on.

    Example: scripts/keys.py revoke chat-app
    """
    with one_line_errors("keys"):
        _existing(run, config).keys.revoke(name)
    console.print(escape(f"{name} is revoked"))


def _existing(run: Path, config: Path) -> Gateway:
    """The gateway of a run folder that exists, unless the settings name another folder for the keys.

    Raises:
        ServerError: The run folder does not exist, so that a mistyped one is not taken for one without keys.
    """
    gateway = Gateway(resolved(run), config)
    if gateway.settings.keys is None and not gateway.run.is_dir():
        what = "a file" if gateway.run.exists() else "missing"
        raise ServerError(f"{gateway.run} is {what}; give the server's run folder with --run, or start one: make serve")
    return gateway


if __name__ == "__main__":
    app()
