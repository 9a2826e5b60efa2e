"""Whether a server is live and ready, and if not, why: for health checks of Docker, Kubernetes and systemd."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import httpx
import typer

from vqaops.console import finite, one_line_errors
from vqaops.paths import CONFIG, RUN, resolved
from vqaops.server.health import examine
from vqaops.server.server import Server


def main(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models that must answer; by default all that are registered.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Check only whether the server answers at all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole state, for machines.")] = False,
    timeout: Annotated[
        float, typer.Option(callback=finite, min=0.001, help="Seconds for each request to the server.")
    ] = 5,
    run: Annotated[Path, typer.Option(help="Run folder of the server.")] = RUN,
    config: Annotated[Path, typer.Option(help="The properties that it was started with.")] = CONFIG,
) -> None:
    """Exit with status 0 if the server is ready (--live: if it is live), else with 1 and the reasons.

    A token that is about to expire is renewed.

    Examples: scripts/health.py; scripts/health.py rooms --json

    Docker: HEALTHCHECK CMD python scripts/health.py. Kubernetes: exec probes, with `--live` in livenessProbe.
    """
    with one_line_errors("health"):
        client = Server(resolved(run), config).client
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
