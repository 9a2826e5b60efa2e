"""Start, check, reload and stop the gateway: nginx with TLS, API keys and limits in front of TorchServe."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.rendering import GATEWAY_FILES
from vqaops.paths import RUN

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = Console(highlight=False, soft_wrap=True)

Config = Annotated[Path, typer.Option(help="The gateway's settings.")]
Run = Annotated[Path, typer.Option(help="The server's run folder; the gateway's folder is in it.")]


@app.command()
def start(config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Start nginx in front of the running server, and create a first key if there is none.

    Example: scripts/gateway.py start --config /etc/vqaserve/gateway.yaml
    """
    gateway = Gateway(run.resolve(), config)
    try:
        gateway.start()
        certificate = gateway.certificate.chain
        console.print(f"[green]Listening[/] at {gateway.url} (certificate: {certificate})")
        if not gateway.keys.entries():
            console.print(f"First key, shown only once: [b]{gateway.keys.add('first')}[/]")
        console.print("Clients keep it in a file KEY_FILE (chmod 600) with one line: Authorization: Bearer <the key>")
    except ServerError as error:
        refuse("make gateway", error)
    console.print(
        f"curl --cacert {shlex.quote(str(certificate))} -H @KEY_FILE "
        f"-F image=@picture.jpg -F 'question=...' {gateway.url}/predictions/MODEL\n"
        "More keys: scripts/keys.py add NAME. Stop the gateway: [b]make stop[/]"
    )


@app.command()
def stop(run: Run = RUN) -> None:
    """Answer the accepted requests, then stop nginx.

    Example: scripts/gateway.py stop
    """
    with console.status("answering the accepted requests"):
        was_running = Gateway(run.resolve()).stop()
    console.print("the gateway has stopped" if was_running else "no gateway was running")


@app.command()
def reload(config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Apply changed settings or certificates without dropping a request. Keys and canaries need no reload.

    Example: scripts/gateway.py reload
    """
    try:
        Gateway(run.resolve(), config).reload()
    except ServerError as error:
        refuse("gateway", error)
    console.print("reloaded")


@app.command("test")
def check(config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Let nginx check the settings; the running gateway does not change.

    Example: scripts/gateway.py test --config new.yaml
    """
    try:
        Gateway(run.resolve(), config).check()
    except ServerError as error:
        refuse("gateway", error)
    console.print("nginx accepts these settings")


if __name__ == "__main__":
    app()
