"""TorchServe's tokens: when they expire, and how to replace them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.paths import CONFIG, RUN, resolved
from vqaops.server.key_file import KeyFile
from vqaops.server.server import Server
from vqaops.server.tokens import TokenKind

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = new_console()

Run = Annotated[Path, typer.Option(help="Run folder of the server.")]
Config = Annotated[Path, typer.Option(help="The properties that the server was started with.")]


@app.command("list")
def show(run: Run = RUN) -> None:
    """Print how long each token is still valid; the tokens themselves are not printed.

    Example: scripts/tokens.py list
    """
    with one_line_errors("tokens"):
        for kind in TokenKind:
            minutes = KeyFile(run / "key_file.json").seconds_left(kind) / 60
            console.print(f"{kind}: " + (f"{minutes:,.0f} minutes" if minutes > 0 else "expired"))


@app.command()
def rotate(
    kind: Annotated[TokenKind, typer.Argument(help="Which token.")] = TokenKind.INFERENCE,
    run: Run = RUN,
    config: Config = CONFIG,
) -> None:
    """Replace a token; the old one stops working at once, and its users must read run/key_file.json again.

    Example: scripts/tokens.py rotate inference
    """
    with one_line_errors("tokens"):
        client = Server(resolved(run), config).client
        old = client.token(kind)
        with client.http:
            new = client.renew_token(kind, old)
        if new == old:
            raise ServerError(
                f"{client.addresses.management} makes no new {kind} token; is the server running? make serve"
            )
    header = client.key_file.with_name("auth.header")
    console.print(escape(f"new {kind} token in {client.key_file} and, for curl, {header}"))


if __name__ == "__main__":
    app()
