"""Start, check, reload and stop the gateway: nginx with TLS, API keys and limits in front of TorchServe."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vqaops import api_docs
from vqaops.console import new_console, one_line_errors
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.rendering import GATEWAY_FILES
from vqaops.paths import RUN, resolved

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = new_console()

Config = Annotated[Path, typer.Option(help="The gateway's settings.")]
Run = Annotated[Path, typer.Option(help="The server's run folder; the gateway's folder is in it.")]


@app.command()
def start(config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Start nginx in front of the running server, and create a first key if there is none.

    Example: scripts/gateway.py start --config /etc/vqaserve/gateway.yaml
    """
    with one_line_errors("make gateway"):
        gateway = Gateway(resolved(run), config)
        gateway.start()
        certificate = gateway.certificate.chain
        console.print(f"[green]Listening[/] at {escape(gateway.url)} (certificate: {escape(str(certificate))})")
        if not gateway.keys.entries():
            console.print(f"First key, shown only once: [b]{gateway.keys.add('first')}[/]")
        console.print("Clients keep it in a file KEY_FILE (chmod 600) with one line: Authorization: Bearer <the key>")
    console.print(
        f"curl --cacert {escape(shlex.quote(str(certificate)))} -H @KEY_FILE "
        f"-F image=@picture.jpg -F 'question=...' {gateway.url}/predictions/MODEL\n"
        f"{_docs(gateway)}"
        "More keys: scripts/keys.py add NAME. Stop the gateway: [b]make stop[/]"
    )


def _docs(gateway: Gateway) -> str:
    if api_docs.files():
        return f"API documentation, with a form for each request: {gateway.url}/docs\n"
    return "No API documentation at /docs: pip install -c constraints.txt -e '.[api-docs]', then reload\n"


@app.command()
def stop(run: Run = RUN) -> None:
    """Answer the accepted requests, then stop nginx.

    Example: scripts/gateway.py stop
    """
    with one_line_errors("gateway"), console.status("answering the accepted requests"):
        was_running = Gateway(resolved(run)).stop()
    console.print("the gateway has stopped" if was_running else "no gateway was running")


@app.command()
def reload(config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Apply changed settings or certificates without dropping a request. Keys and canaries need no reload.

    Example: scripts/gateway.py reload
    """
    with one_line_errors("gateway"):
        Gateway(resolved(run), config).reload()
    console.print("reloaded")


@app.command("test")
def check(config: Config = GATEWAY_FILES / "gateway.yaml", run: Run = RUN) -> None:
    """Let nginx check the settings; the running gateway does not change.

    Example: scripts/gateway.py test --config new.yaml
    """
    with one_line_errors("gateway"):
        Gateway(resolved(run), config).check()
    console.print("nginx accepts these settings")


if __name__ == "__main__":
    app()
