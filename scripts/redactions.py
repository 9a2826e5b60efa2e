"""Find the redactions of a document with a running server, from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from vqaops.console import new_console, one_line_errors
from vqaops.documents.asking import find_redactions
from vqaops.documents.drawing import draw_found
from vqaops.paths import CONFIG, RUN, resolved
from vqaops.server.server import Server


def main(
    document: Annotated[Path, typer.Argument(help="A PDF, a TIFF or a picture, of any number of pages.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A PDF to write: the redacted pages with their boxes.")
    ] = None,
    model: Annotated[str, typer.Option(help="NAME or NAME/VERSION of a model that reads documents.")] = "redactions",
    as_json: Annotated[bool, typer.Option("--json", help="Print the server's reply, for machines.")] = False,
    run: Annotated[Path, typer.Option(help="Run folder of the server.")] = RUN,
    config: Annotated[Path, typer.Option(help="The properties that it was started with.")] = CONFIG,
) -> None:
    """Print which pages are redacted, how much of them is covered, and whether text lies under a box.

    Example: scripts/redactions.py document.pdf -o found.pdf
    """
    console, errors = new_console(), new_console(stderr=True)
    with one_line_errors("redactions"):
        data = document.read_bytes()
        client = Server(resolved(run), config).client
        with client.http, Progress(console=errors, transient=True) as shown:
            bar = shown.add_task("pages", total=None)
            reply = find_redactions(client, model, data, lambda done, of: shown.update(bar, completed=done, total=of))
        written = draw_found(data, reply["pages"], output) if output else 0
    if as_json:
        typer.echo(json.dumps(reply))
        return
    table = Table("page", "confidence", "boxes", "of the page", "of the content", "text under boxes")
    for page in reply["pages"]:
        if "code" in page:
            table.add_row(str(page["page"]), escape(page["message"]))
        elif page["boxes"]:
            covered = page["covered"]
            row = [f"{page['confidence']:.1%}", str(len(page["boxes"])), *(f"{covered[one]:.1%}" for one in covered)]
            table.add_row(str(page["page"]), *row, "yes" if page["text_under_boxes"] else "no")
    summary = reply["summary"]
    if table.row_count:
        console.print(table)
    console.print(f"{len(summary['redacted_pages'])} of {summary['document_pages']} pages are redacted")
    if output:
        console.print(f"{written} pages written to {escape(str(output))}" if written else "no page to write")


if __name__ == "__main__":
    typer.run(main)
