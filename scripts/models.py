"""Versions of the models on one server or on several: register, list, promote, roll back, scale, remove, canary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vqaops.console import finite, new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.fleet.bake import Bake
from vqaops.fleet.change import OnFailure
from vqaops.fleet.operations import Fleet
from vqaops.paths import RUN, resolved
from vqaops.rollout.operations import Operations, Report
from vqaops.rollout.rollout import Rollout
from vqaops.server.server import Server

app = typer.Typer(no_args_is_help=True, add_completion=False)
console, progress = new_console(), new_console(stderr=True)

Target = Annotated[list[str], typer.Argument(metavar="[MODEL] VERSION", help="MODEL may be left out if there is one.")]
Model = Annotated[str | None, typer.Argument(help="May be left out if there is only one.")]
Run = Annotated[Path, typer.Option(help="Run folder of the server.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON objects on stdout, for machines.")]
Least = Annotated[int, typer.Option("--min", min=1, help="Minimum number of workers.")]


@app.callback()
def choose(
    context: typer.Context,
    fleet: Annotated[
        Path | None, typer.Option(help="File with several servers, such as fleet.yaml; it comes before the command.")
    ] = None,
) -> None:
    """Versions of the models on the running server; with --fleet on one server after another.

    Example: scripts/models.py --fleet fleet.yaml list
    """
    context.obj = fleet


@app.command()
def register(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="A .mar that scripts/build_mar.py built.")],
    signers: Annotated[
        Path | None, typer.Option(help="OpenSSH allowed_signers; one of them must have signed the store's SHA256SUMS.")
    ] = None,
    no_calibration: Annotated[
        bool, typer.Option("--no-calibration", help="Measure nothing, even if the recipe says `auto`.")
    ] = False,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Serve an archive beside the running version, and wait until it has answered its first sample.

    The default version still answers all requests. Example: scripts/models.py register model_store/shapes-1.1.0.mar
    """
    _run(
        context,
        run,
        as_json,
        lambda operations: [operations.register(archive, signers, not no_calibration)],
        lambda fleet: fleet.register(archive, signers, not no_calibration),
    )


@app.command("list")
def list_versions(context: typer.Context, run: Run = RUN, as_json: Json = False) -> None:
    """List all versions: the default, workers, memory, queue, age, and how they compute.

    Example: scripts/models.py list --json
    """
    _run(context, run, as_json, lambda operations: [operations.list()], Fleet.list)


@app.command()
def promote(
    context: typer.Context,
    target: Target,
    force: Annotated[bool, typer.Option("--force", help="Even if a gate fails; the history records it.")] = False,
    on_failure: Annotated[
        OnFailure, typer.Option(help="In a fleet: whether machines that are promoted go back if one fails.")
    ] = OnFailure.ROLLBACK,
    bake: Annotated[
        float,
        typer.Option(
            callback=finite, min=0, help="In a fleet: seconds to watch each machine after its promotion; a 5xx stops."
        ),
    ] = 0,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Make a registered version the default if it passes its gates; otherwise change nothing and fail.

    The gates are in the recipe (`handler: gate:`). Example: scripts/models.py promote shapes 1.1.0
    """
    _run(
        context,
        run,
        as_json,
        lambda operations: [operations.promote(target, force)],
        lambda fleet: fleet.promote(target, force, on_failure, Bake(bake)),
    )


@app.command()
def rollback(
    context: typer.Context,
    model: Model = None,
    to: Annotated[str | None, typer.Option(help="Change nothing unless this is the previous default.")] = None,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Make the previous default the default again, at once if it is still registered; a canary ends.

    Example: scripts/models.py rollback shapes
    """
    _run(
        context,
        run,
        as_json,
        lambda operations: [operations.rollback(model, to)],
        lambda fleet: fleet.rollback(model, to),
    )


@app.command()
def scale(
    context: typer.Context,
    model: Model = None,
    least: Least = 1,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Maximum; by default as --min.")] = None,
    version: Annotated[str | None, typer.Option(help="By default the default version.")] = None,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Change the number of workers of a version, and wait until they are ready.

    Example: scripts/models.py scale shapes --min 4
    """
    _run(context, run, as_json, lambda operations: [operations.scale(model, version, least, most)])


@app.command()
def autoscale(
    context: typer.Context,
    model: Model = None,
    least: Least = 1,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Maximum; by default the number of cores.")] = None,
    queue_ms: Annotated[
        float, typer.Option(callback=finite, min=1, help="Mean wait in the queue over which a worker is added.")
    ] = 100,
    interval: Annotated[float, typer.Option(callback=finite, min=0.1, help="Seconds between two checks.")] = 2,
    seconds: Annotated[
        float | None, typer.Option(callback=finite, min=0, help="End after this time; by default never.")
    ] = None,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Add and remove workers of a model's default version with the load, until Ctrl-C.

    Each change is printed with its reason, and recorded in the history.
    Example: scripts/models.py autoscale rooms --min 1 --max 4
    """
    _run(context, run, as_json, lambda one: one.autoscale(model, least, most, queue_ms, interval, seconds))


@app.command()
def remove(
    context: typer.Context,
    target: Target,
    force: Annotated[bool, typer.Option("--force", help="Even the default, or one that clients still name.")] = False,
    patience: Annotated[
        float, typer.Option(callback=finite, min=0, help="Seconds to wait for clients that name the version.")
    ] = 60,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Stop serving a version once it has answered its requests; its archive stays in the store.

    Its canary or shadow ends. Waits the version's `responseTimeout`, 30 s by default.
    Example: scripts/models.py remove shapes 1.0.0
    """
    _run(
        context,
        run,
        as_json,
        lambda operations: [operations.remove(target, patience, force)],
        lambda fleet: fleet.remove(target, patience, force),
    )


@app.command("canary")
def send_share(
    context: typer.Context,
    target: Target,
    share: Annotated[str, typer.Option(help="Share of the model's requests, as in 10%; 0 ends it.")],
    shadow: Annotated[bool, typer.Option("--shadow", help="Copy the requests to it, and drop its answers.")] = False,
    run: Run = RUN,
    as_json: Json = False,
) -> None:
    """Let a registered version answer a share of the gateway's requests, from the next one on.

    The request's id decides: the same id always gets the same version. If the canary cannot answer, the default version
    does. Needs `make gateway`. Example: scripts/models.py canary shapes 1.1.0 --share 10%
    """
    _run(context, run, as_json, lambda operations: [operations.canary(target, share, shadow)])


def _run(
    context: typer.Context,
    run: Path,
    as_json: bool,
    operation: Callable[[Operations], Iterable[Report]],
    on_fleet: Callable[[Fleet], Iterable[Report]] | None = None,
) -> None:
    """Do an operation, show its progress on stderr, and print its reports; status 1 if it did not succeed."""
    report = None
    with one_line_errors(context.info_name or ""), progress.status("") as status:

        def show(text: str) -> None:
            status.update(escape(text))

        if context.obj is None:
            reports = operation(Operations(Rollout(Server(resolved(run)), show)))
        else:
            reports = _chosen(context, on_fleet)(Fleet.read(context.obj, show))
        for report in reports:
            if as_json and report.fields:
                typer.echo(json.dumps(report.fields))
            elif not as_json:
                console.print(*report.lines, sep="\n")
    if report and not report.succeeded:
        raise typer.Exit(1)


def _chosen(
    context: typer.Context, on_fleet: Callable[[Fleet], Iterable[Report]] | None
) -> Callable[[Fleet], Iterable[Report]]:
    """The operation on a fleet.

    Raises:
        ServerError: The command has none, or `--run` names a server besides.
    """
    if on_fleet is None:
        raise ServerError(f"{context.info_name} is for one server; give --run instead of --fleet")
    source = context.get_parameter_source("run")
    if source is not None and source.name == "COMMANDLINE":
        raise ServerError("--run names one server, and --fleet several; give one of them")
    return on_fleet


if __name__ == "__main__":
    app()
