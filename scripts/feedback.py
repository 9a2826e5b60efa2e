"""What people said of answers on the chat page: list it, count it, and export it for training and evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vqaops.console import new_console, one_line_errors
from vqaops.feedback.export import FILE, IMAGES, export
from vqaops.feedback.statistics import Share, by_day, by_version, worst_questions
from vqaops.feedback.store import Feedback, FeedbackStore
from vqaops.paths import RUN, resolved, short_path

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = new_console()


class Verdict(Enum):
    """A thumb."""

    up = "up"
    down = "down"


Database = Annotated[Path, typer.Option(help="The page's database.")]
Model = Annotated[str | None, typer.Option(help="Only answers of this model.")]
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only answers of this day (UTC) or later.")]
Thumb = Annotated[Verdict | None, typer.Option(help="Only answers with this verdict.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
DATABASE = RUN / "feedback.sqlite3"


@app.command("list")
def list_(
    database: Database = DATABASE,
    model: Model = None,
    since: Since = None,
    verdict: Thumb = None,
    newest: Annotated[int, typer.Option(min=1, help="Show so many, the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Print the answers that were shown, and what people said of them.

    Example: scripts/feedback.py list --verdict down
    """
    with _reading(database) as store:
        rows = _rows(store, model, since, verdict, newest)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(_as_dict(row), ensure_ascii=False))
        return
    table = Table(show_edge=False)
    for column in ("id", "time", "model", "question", "answer", "verdict", "correction", "picture"):
        table.add_column(column)
    for row in rows:
        best, score = row.answers[0]
        table.add_row(
            *(str(row.id), row.time.strftime("%Y-%m-%d %H:%M"), f"{row.model} {row.version}"),
            *map(escape, (row.question, f"{best} ({score:.0%})")),
            {True: "up", False: "down", None: ""}[row.thumbs_up],
            *(escape(row.correction), "kept" if row.kept else ""),
        )
    console.print(table)


@app.command()
def stats(database: Database = DATABASE, model: Model = None, since: Since = None, as_json: AsJson = False) -> None:
    """Print the shares of thumbs up by version and by day, and the questions with the most thumbs down.

    Example: scripts/feedback.py stats --since 2026-11-01
    """
    with _reading(database) as store:
        rows = _rows(store, model, since)
    parts = {"version": by_version(rows), "day": by_day(rows), "worst question": worst_questions(rows)}
    if as_json:
        typer.echo(json.dumps({name: [share.as_dict() for share in shares] for name, shares in parts.items()}))
        return
    for name, shares in parts.items():
        console.print(_table(name, shares), "")


@app.command("export")
def export_(
    folder: Annotated[Path, typer.Argument(help="A new folder for the questions and their pictures.")],
    database: Database = DATABASE,
    model: Model = None,
    since: Since = None,
    verdict: Thumb = None,
) -> None:
    """Write questions with right answers and kept pictures as train.py and evaluate.py read them.

    A correction is the right answer; a thumb up confirms the answer that was shown. An answer with a thumb down and no
    correction, or whose picture was not kept, cannot be exported.

    Example: scripts/feedback.py export run/feedback
    """
    with _reading(database) as store:
        done = export(_rows(store, model, since, verdict), resolved(folder))
    where = escape(str(short_path(folder / FILE)))
    console.print(f"{where}: {done.questions} questions, split into train.jsonl and eval.jsonl")
    console.print(f"{IMAGES}/: {done.pictures} pictures")
    console.print(f"left out: {done.without_answer} without a right answer, {done.without_picture} without a picture")


@app.command()
def prune(
    days: Annotated[float, typer.Option(min=0, help="Delete what is older than so many days.")],
    database: Database = DATABASE,
) -> None:
    """Delete old answers, and pictures that no other answer needs.

    Example: scripts/feedback.py prune --days 90
    """
    with _reading(database) as store:
        console.print(f"{store.prune(days)} answers deleted")


@contextmanager
def _reading(database: Path) -> Iterator[FeedbackStore]:
    with one_line_errors("feedback"):
        yield FeedbackStore.open_existing(resolved(database))


def _rows(
    store: FeedbackStore,
    model: str | None,
    since: datetime | None,
    verdict: Verdict | None = None,
    newest: int | None = None,
) -> list[Feedback]:
    start = since.replace(tzinfo=UTC) if since else None
    return store.rows(model=model, since=start, thumbs_up=verdict and verdict is Verdict.up, newest=newest)


def _table(name: str, shares: list[Share]) -> Table:
    table = Table(show_edge=False)
    table.add_column(name)
    for column in ("answers", "thumbs up", "thumbs down", "share up"):
        table.add_column(column, justify="right")
    for share in shares:
        counts = map(str, (share.answers, share.up, share.down))
        table.add_row(escape(share.group), *counts, "" if share.share_up is None else f"{share.share_up:.0%}")
    return table


def _as_dict(row: Feedback) -> dict[str, object]:
    return {
        **{name: getattr(row, name) for name in ("id", "picture", "question", "answers", "model", "version")},
        **{name: getattr(row, name) for name in ("abstained", "thumbs_up", "correction")},
        "time": row.time.isoformat(),
        "kept": row.kept is not None,
    }


if __name__ == "__main__":
    app()
