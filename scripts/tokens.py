"""The server's tokens: when they expire, and new ones in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.key_file import KeyFile
from vqaops.server.server import Server
from vqaops.server.tokens import TokenKind

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = Console(highlight=False, soft_wrap=True)

Run = Annotated[Path, typer.Option(help="Folder of the running server.")]


@app.command("list")
def show(run: Run = ROOT / "run") -> None:
    """How long each token still lives; the tokens themselves are not printed.

    Example: scripts/tokens.py list
    """
    try:
        for kind in TokenKind:
            minutes = KeyFile(run / "key_file.json").seconds_left(kind) / 60
            console.print(f"{kind}: " + (f"{minutes:,.0f} minutes" if minutes > 0 else "expired"))
    except ServerError as error:
        refuse("tokens", error)


@app.command()
def rotate(
    kind: Annotated[TokenKind, typer.Argument(help="Which token.")] = TokenKind.INFERENCE,
    run: Run = ROOT / "run",
    config: Annotated[Path, typer.Option(help="The properties that the server was started with.")] = ROOT
    / "config.properties",
) -> None:
    """Make a new token; the old one ends at once, and whoever holds it must read run/key_file.json again.

    Example: scripts/tokens.py rotate inference
    """
    client = Server(run.resolve(), config).client
    try:
        old = client.token(kind)
        with client.http:
            new = client.renew_token(kind, old)
        if new == old:
            raise ServerError(
                f"{client.addresses.management} makes no new {kind} token; is the server running? make serve"
            )
    except ServerError as error:
        refuse("tokens", error)
    console.print(f"new {kind} token in {client.key_file} and, for curl, {client.key_file.with_name('auth.header')}")


if __name__ == "__main__":
    app()
