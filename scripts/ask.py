"""Ask a running server about a picture, from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.paths import CONFIG, RUN, resolved
from vqaops.server.descriptions import describe, form_of_text
from vqaops.server.management import Management
from vqaops.server.replies import ranked_answers
from vqaops.server.server import Server


def main(
    picture: Annotated[Path, typer.Argument(help="A picture file.")],
    text: Annotated[
        str, typer.Argument(help="A question, or captions between commas; nothing for a model with classes of its own.")
    ] = "",
    model: Annotated[
        str | None, typer.Option(help="NAME or NAME/VERSION; may be left out where one model is served.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Ranked answers; by default the model's own number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the server's reply, for machines.")] = False,
    run: Annotated[Path, typer.Option(help="Run folder of the server.")] = RUN,
    config: Annotated[Path, typer.Option(help="The properties that it was started with.")] = CONFIG,
) -> None:
    """Print the ranked answers to a question, or how well each caption fits.

    Examples: scripts/ask.py photo.jpg "what color is the table?" --model rooms; scripts/ask.py photo.jpg "a cat,a dog"
    """
    console = new_console()
    with one_line_errors("ask"):
        data = picture.read_bytes()
        client = Server(resolved(run), config).client
        with client.http:
            name = model or _only_model(Management(client))
            said = describe(client, name)
            if said is None:
                raise ServerError(f"{name} does not answer; see which models are ready: scripts/models.py list")
            reply = client.ask(name, data, form_of_text(said.task, text), top_k)
    if as_json:
        typer.echo(json.dumps(reply, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for answer, score in ranked_answers(reply):
        table.add_row(escape(answer), f"{score:6.1%}", "█" * round(score * 30))
    console.print(table)
    for warning in reply.get("warnings", []):
        console.print(escape(f"note: {warning}"))


def _only_model(management: Management) -> str:
    names = sorted(management.models())
    if len(names) != 1:
        raise ServerError(f"the server has these models: {', '.join(names) or 'none'}; choose one with --model")
    return names[0]


if __name__ == "__main__":
    typer.run(main)
