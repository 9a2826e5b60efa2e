"""Versions of the models on the running server: register, list, promote, roll back, scale, remove, canary."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.markup import escape

from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.routes import Route
from vqaops.paths import ROOT
from vqaops.rollout import canary, listing
from vqaops.rollout.autoscale import ScalingRule, follow
from vqaops.rollout.gate import GateResult
from vqaops.rollout.rollout import Rollout
from vqaops.server.server import Server
from vqaserve.errors import RecipeError

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = Console(highlight=False, soft_wrap=True)

Target = Annotated[
    list[str], typer.Argument(metavar="[MODEL] VERSION", help="The model can be left out where there is only one.")
]
Model = Annotated[str | None, typer.Argument(help="Can be left out where there is only one.")]
Run = Annotated[Path, typer.Option(help="Folder of the running server.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for machines.")]
RUN = ROOT / "run"


@app.command()
def register(
    archive: Annotated[Path, typer.Argument(dir_okay=False, help="A .mar that scripts/build_mar.py has built.")],
    signers: Annotated[
        Path | None, typer.Option(help="OpenSSH allowed_signers; the archive's list must be signed by one of them.")
    ] = None,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Serve an archive beside the running version, and wait until it has answered its first sample.

    Requests go on to the default version. Example: scripts/models.py register model_store/shapes-1.1.0.mar
    """
    with _rollout(run, "register") as rollout:
        version, verdict = rollout.register(archive, signers)
        default = rollout.management.default(version.name)
    if as_json:
        _print_json(model=version.name, version=version.version, workers=version.ready, default=default)
        return
    console.print(f"[green]{version.name} {version.version}[/] is ready: {escape(verdict.measured)}")
    if default != version.version:
        console.print(
            f"{default} is still the default. Next: scripts/models.py promote {version.name} {version.version}"
        )


@app.command("list")
def list_versions(run: Run = RUN, as_json: Json = False) -> None:
    """Show all versions: which is the default, workers, memory, queue and age.

    Example: scripts/models.py list --json
    """
    with _rollout(run, "list") as rollout:
        found = listing.rows(rollout.management)
        routes = Gateway(rollout.server.run).routes.all()
    if as_json:
        _print_json(
            versions=[row.as_dict() for row in found], routes={name: asdict(one) for name, one in routes.items()}
        )
        return
    console.print(listing.table(found))
    for name, route in routes.items():
        console.print(f"{name} {route.version} is the {route.kind} of {route.share:.4g} of the gateway's requests")


@app.command()
def promote(
    target: Target,
    force: Annotated[bool, typer.Option("--force", help="Although a gate fails; the history says so.")] = False,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Let a registered version answer by default, if it passes its gates; else say why, change nothing, and fail.

    The gates are in the recipe (`handler: gate:`). Example: scripts/models.py promote shapes 1.1.0
    """
    with _rollout(run, "promote") as rollout:
        name, version = _target(rollout, target)
        verdicts, promoted = rollout.promote(name, version, force)
        default = rollout.management.default(name)
        if promoted:  # its canary is over; left in place, it would share out the next default's requests
            canary.end(rollout.server, Gateway(rollout.server.run), name)
    if as_json:
        _print_json(model=name, version=version, default=default, gates=[verdict.as_dict() for verdict in verdicts])
    else:
        _print_gates(verdicts)
        if promoted:
            console.print(f"[green]{name} {version} is the default.[/] Back: scripts/models.py rollback {name}")
        else:
            console.print(f"[red]{name} {version} is not promoted;[/] {default} goes on answering")
    if not promoted:
        raise typer.Exit(1)


@app.command()
def rollback(model: Model = None, run: Run = RUN, as_json: Json = False) -> None:
    """Let the default before this one answer again, at once where it is still registered; a canary ends.

    Example: scripts/models.py rollback shapes
    """
    with _rollout(run, "rollback") as rollout:
        event = rollout.rollback(model or rollout.only_model())
        canary.end(rollout.server, Gateway(rollout.server.run), event.model)
    if as_json:
        _print_json(model=event.model, default=event.version, before=event.figures["from"])
    else:
        console.print(f"[green]{event.model} {event.version} is the default[/] in the place of {event.figures['from']}")


@app.command()
def scale(
    model: Model = None,
    least: Annotated[int, typer.Option("--min", min=1, help="Workers at least.")] = 1,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Workers at most; as --min by default.")] = None,
    version: Annotated[str | None, typer.Option(help="By default the default version.")] = None,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Change how many workers a version has, and wait until they are ready.

    Example: scripts/models.py scale shapes --min 4
    """
    with _rollout(run, "scale") as rollout:
        if most is not None and most < least:
            raise ServerError(f"--max {most} is less than --min {least}; give --max {least} or more")
        name = model or rollout.only_model()
        scaled = rollout.scale(name, version or rollout.management.default(name), least, most or least)
    if as_json:
        _print_json(model=name, version=scaled.version, workers=len(scaled.workers), ready=scaled.ready)
    else:
        console.print(f"{name} {scaled.version}: {scaled.ready} of {len(scaled.workers)} workers ready")


@app.command()
def autoscale(
    model: Model = None,
    least: Annotated[int, typer.Option("--min", min=1, help="Workers at least.")] = 1,
    most: Annotated[
        int | None, typer.Option("--max", min=1, help="Workers at most; as many as there are cores by default.")
    ] = None,
    queue_ms: Annotated[float, typer.Option(min=1, help="Mean wait in the queue over which a worker is added.")] = 100,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2,
    seconds: Annotated[float | None, typer.Option(help="End after this many; never by default.")] = None,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Follow the load of a model's default version with its workers; goes on until it is ended.

    Each change is printed with its reason, and noted in the history.
    Example: scripts/models.py autoscale rooms --min 1 --max 4
    """
    rule = ScalingRule(least, most or max(least, psutil.cpu_count() or 1), queue_ms / 1000)
    if rule.most < rule.least:
        refuse("autoscale", ServerError(f"--max {rule.most} is less than --min {least}; give --max {least} or more"))
    until = None if seconds is None else time.monotonic() + seconds
    with _rollout(run, "autoscale") as rollout:
        name = model or rollout.only_model()
        if not as_json:
            console.print(
                f"{name}: {rule.least} to {rule.most} workers; a worker is added over {queue_ms:.0f} ms of waiting"
            )
        for look, decision in follow(rollout, name, rule, interval):
            if decision and as_json:
                _print_json(model=name, before=look.workers, workers=decision.workers, reason=decision.reason)
            elif decision:
                console.print(f"{name}: {look.workers} -> {decision.workers} workers: {escape(decision.reason)}")
            if until is not None and time.monotonic() > until:
                return


@app.command()
def remove(
    target: Target,
    force: Annotated[
        bool, typer.Option("--force", help="The default version too, and one that clients still name.")
    ] = False,
    patience: Annotated[float, typer.Option(min=0, help="Seconds for clients that name the version to stop.")] = 60,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Stop serving a version, after what it has in hand is answered; its archive stays in the store.

    Its canary or shadow ends. Waits its `responseTimeout`, 30 s by default.
    Example: scripts/models.py remove shapes 1.0.0
    """
    with _rollout(run, "remove") as rollout:
        name, version = _target(rollout, target)
        # First: a canary's requests ask by number, and would find nothing, or later what the number is given to anew.
        canary.end(rollout.server, Gateway(rollout.server.run), name, version)
        rollout.remove(name, version, patience, force)
    if as_json:
        _print_json(model=name, removed=version)
    else:
        console.print(f"{name} {version} is removed; its archive stays in the model store")


@app.command("canary")
def share_out(
    target: Target,
    share: Annotated[str, typer.Option(help="Of the model's requests, as in 10%; 0 ends it.")],
    shadow: Annotated[bool, typer.Option("--shadow", help="Ask it too, and drop its answers.")] = False,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Let a registered version answer a share of the requests that come through the gateway, from the next one on.

    The request's id decides, so the same id always meets the same version; what the canary cannot answer, the default
    version does. Needs `make gateway`. Example: scripts/models.py canary shapes 1.1.0 --share 10%
    """
    with _rollout(run, "canary") as rollout:
        name, version = _target(rollout, target)
        route = Route(version, _fraction(share), "shadow" if shadow else "canary")
        gateway = Gateway(rollout.server.run)
        if route.share:
            canary.start(rollout.server, gateway, name, route)
        else:
            canary.end(rollout.server, gateway, name)
    if as_json:
        _print_json(model=name, version=version, share=route.share, kind=route.kind)
    elif not route.share:
        console.print(f"{name}: every request is the default version's again")
    else:
        sees = "also asked" if shadow else "answered"
        console.print(
            f"[green]{share} of {name}'s requests[/] are {sees} by {version}. End it: "
            f"scripts/models.py canary {name} {version} --share 0"
        )


def _fraction(share: str) -> float:
    given = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%|0", share.strip())
    percent = float(given[1] or 0) if given else -1
    if not 0 <= percent <= 100:
        raise ServerError(f"--share {share} is no share; give 0% to 100%, as in: --share 10%")
    return percent / 100


@contextmanager
def _rollout(run: Path, command: str) -> Iterator[Rollout]:
    """The rollout of the server in a folder, with its progress shown, and its errors in one line."""
    try:
        with Console(stderr=True).status("") as status:
            yield Rollout(Server(run.resolve()), lambda text: status.update(escape(text)))
    except (RecipeError, ServerError) as error:
        refuse(command, error)


def _target(rollout: Rollout, words: list[str]) -> tuple[str, str]:
    match words:
        case [version]:
            return rollout.only_model(), version
        case [name, version]:
            return name, version
    raise ServerError(f"give a model and a version, as in: shapes 1.1.0; this is {len(words)} words: {' '.join(words)}")


def _print_gates(verdicts: Sequence[GateResult]) -> None:
    for verdict in verdicts:
        mark = "[green]passed[/]" if verdict.passed else "[red]failed[/]"
        console.print(f"{mark}  {verdict.gate:<9}  {escape(verdict.measured)}; allowed: {verdict.allowed}")


def _print_json(**fields: Any) -> None:
    typer.echo(json.dumps(fields))


if __name__ == "__main__":
    app()
