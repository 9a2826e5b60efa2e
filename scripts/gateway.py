"""`make gateway`: nginx with TLS, API keys and limits before the server that `make serve` runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.rendering import SOURCES
from vqaops.paths import ROOT

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = Console(highlight=False, soft_wrap=True)

Config = Annotated[Path, typer.Option(help="The gateway's settings.")]
Run = Annotated[Path, typer.Option(help="The server's folder; the gateway's is in it.")]


@app.command()
def start(config: Config = SOURCES / "gateway.yaml", run: Run = ROOT / "run") -> None:
    """Start nginx before the running server, and make a first key where there is none.

    Example: scripts/gateway.py start --config /etc/vqaserve/gateway.yaml
    """
    gateway = Gateway(run.resolve(), config)
    try:
        gateway.start()
        certificate = gateway.certificate.chain
        console.print(f"[green]Listening[/] at {gateway.url} (certificate: {certificate})")
        if not gateway.keys.entries():
            console.print(f"A first key, shown this once: [b]{gateway.keys.add('first')}[/]")
        console.print("A client's file KEY_FILE (chmod 600) holds one line: Authorization: Bearer <the key>")
    except ServerError as error:
        refuse("make gateway", error)
    console.print(
        f"curl --cacert {shlex.quote(str(certificate))} -H @KEY_FILE "
        f"-F image=@picture.jpg -F 'question=...' {gateway.url}/predictions/MODEL\n"
        "More keys: scripts/keys.py add NAME. End it: [b]make stop[/]"
    )


@app.command()
def stop(run: Run = ROOT / "run") -> None:
    """Answer what was accepted, then end.

    Example: scripts/gateway.py stop
    """
    with console.status("answering what was accepted"):
        was_running = Gateway(run.resolve()).stop()
    console.print("the gateway has stopped" if was_running else "no gateway was running")


@app.command()
def reload(config: Config = SOURCES / "gateway.yaml", run: Run = ROOT / "run") -> None:
    """Take changed settings or certificates while requests go on. Keys and canaries need no reload.

    Example: scripts/gateway.py reload
    """
    try:
        Gateway(run.resolve(), config).reload()
    except ServerError as error:
        refuse("gateway", error)
    console.print("reloaded")


@app.command("test")
def check(config: Config = SOURCES / "gateway.yaml", run: Run = ROOT / "run") -> None:
    """Let nginx check the settings, without touching what runs.

    Example: scripts/gateway.py test --config new.yaml
    """
    try:
        Gateway(run.resolve(), config).check()
    except ServerError as error:
        refuse("gateway", error)
    console.print("nginx takes these settings")


if __name__ == "__main__":
    app()
