"""Whether a server lives and can answer, and why not: one command for whatever looks after it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import httpx
import typer

from vqaops.paths import ROOT
from vqaops.server.health import examine
from vqaops.server.server import Server


def main(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models that must answer; all registered by default.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask only whether the server answers at all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The whole state, for machines.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for each question to the server.")] = 5,
    run: Annotated[Path, typer.Option(help="Folder of the running server.")] = ROOT / "run",
    config: Annotated[Path, typer.Option(help="The properties that it was started with.")] = ROOT / "config.properties",
) -> None:
    """End with 0 if the server is ready (--live: if it is live), with 1 and the reasons if it is not.

    A token that is about to expire is renewed on the way.

    Examples: scripts/health.py; scripts/health.py rooms --json

    Docker: HEALTHCHECK CMD python scripts/health.py. Kubernetes: exec probes, `--live` for livenessProbe.
    """
    client = Server(run.resolve(), config).client
    client.http.timeout = httpx.Timeout(timeout)
    with client.http:
        health = examine(client, models or [])
    good = health.live if live else health.ready
    if as_json:
        typer.echo(json.dumps(asdict(health)))
    else:
        typer.echo("live" if live and good else "ready" if good else "\n".join(health.reasons), err=not good)
    raise typer.Exit(not good)


if __name__ == "__main__":
    typer.run(main)
