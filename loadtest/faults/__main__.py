"""The command behind `make chaos`."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from loadtest.faults.scenario_table import scenario_table
from loadtest.faults.scenarios import SCENARIOS, ScenarioResult, ScenarioSkipped
from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.files import prepare_output
from vqaops.paths import RUN


def main(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(SCENARIOS)}. Default: all.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="JSON file for the figures.")] = RUN / "chaos.json",
) -> None:
    """Break dedicated servers, never the running one, and print what clients saw. All scenarios take four minutes.

    Exits with 1 if an answer was wrong, or if a request failed although the client retried and the fault had passed.

    Example: python -m loadtest.faults worker-killed java-killed
    """
    console = new_console()
    if unknown := set(scenarios or ()) - set(SCENARIOS):
        raise typer.BadParameter(f"no such scenario: {', '.join(sorted(unknown))}; there are: {', '.join(SCENARIOS)}")
    with one_line_errors("chaos"):
        prepare_output(output)
    results: list[ScenarioResult] = []
    broken = False
    for name in scenarios or SCENARIOS:
        with console.status(f"scenario {name}"), tempfile.TemporaryDirectory(prefix="vqa-", dir="/tmp") as folder:
            try:
                results.append(SCENARIOS[name](Path(folder)))
            except ScenarioSkipped as reason:
                console.print(f"{name}: skipped, {reason}")
            except ServerError as error:
                console.print(f"{name}: {error}", style="red", markup=False)
                broken = True
    console.print(scenario_table(results))
    output.write_text(json.dumps([{**asdict(one), "kept": one.kept} for one in results], indent=2) + "\n")
    raise typer.Exit(0 if all(one.kept for one in results) and not broken else 1)


if __name__ == "__main__":
    typer.run(main)
