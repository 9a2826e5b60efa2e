"""The command behind `make fuzz`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loadtest.bench.measured_server import java_process
from loadtest.fuzz.fuzzer import LARGEST_GROWTH, fuzz
from loadtest.fuzz.hostile_documents import hostile_documents
from vqaops.console import finite, new_console, one_line_errors
from vqaops.paths import RUN, resolved
from vqaops.server.server import Server

SHOWN = 10


def main(
    model: Annotated[str, typer.Argument(help="A model that the running server has loaded.")] = "shapes",
    cases: Annotated[int, typer.Option(help="Number of requests.")] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed sends the same requests.")] = 0,
    whole: Annotated[float, typer.Option(callback=finite, min=0, max=1, help="Share of undamaged pictures.")] = 0,
    documents: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder of PDF files to send first, with hostile ones made here."
        ),
    ] = None,
    run: Annotated[Path, typer.Option(help="Folder of the running server.")] = RUN,
) -> None:
    """Send damaged pictures, faulty JSON and unusual encodings to the running server (make serve).

    A model that reads documents also gets damaged PDFs.

    Exits with 1 if a reply was neither an answer nor a 4xx with our error body, if a worker was restarted, or if the
    workers' memory grew by more than a tenth in the second half.
    """
    console = new_console()
    with one_line_errors("fuzz"):
        server = Server(resolved(run))
        java_process(server)
        first = [path.read_bytes() for path in sorted(documents.rglob("*.pdf"))] if documents else []
        first += [file for _, file in hostile_documents()] if documents else []
        result = fuzz(server.client, model, cases, seed, console, whole, first=first)
    for kind, count in result.replies.most_common():
        console.print(f"{count:>8,}  {kind}", markup=False)
    figures = " ".join(f"{size / 1e6:.0f}" for size in result.memory)
    console.print(f"memory of the workers at the start and after each tenth: {figures} MB")
    has_grown = result.growth > LARGEST_GROWTH
    console.print(
        f"memory grew by {result.growth:.1%} in the second half; at most {LARGEST_GROWTH:.0%} is allowed", markup=False
    )
    console.print("a worker was restarted" if result.restarted else "no worker was restarted")
    for line in result.wrong[:SHOWN]:
        console.print(f"wrong: {line}", markup=False)
    raise typer.Exit(1 if result.wrong or result.restarted or has_grown else 0)


if __name__ == "__main__":
    typer.run(main)
