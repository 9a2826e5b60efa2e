"""Ask a running server every question of a file, and score the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vqaops.console import new_console, one_line_errors
from vqaops.evaluation.comparison import WordingComparison, compare_wordings
from vqaops.evaluation.predictions import predict
from vqaops.evaluation.scores import Scores, compute_scores
from vqaops.files import prepare_output
from vqaops.paths import CONFIG, RUN, resolved
from vqaops.questions import pictures_beside, read_questions
from vqaops.server.server import Server

LABELS = {
    "top1": "top-1 (exact match of the first answer)",
    "top5": "top-5",
    "any_answer": "top-1 is any listed answer",
    "multi_answer": "multi-answer (share of n answers in the n best)",
    "calibration_error": "expected calibration error",
    "confident20": "top-1, most confident 20 %",
    "confident50": "top-1, most confident 50 %",
    "answered": "questions answered (not marked as abstained)",
    "answered_top1": "top-1 of those",
}


def main(
    model: Annotated[str, typer.Argument(help="Name of a model that the server has loaded.")],
    file: Annotated[Path, typer.Argument(help='Questions: {"image", "question", "answers"} on each line.')],
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures; by default images/ beside the file, or its folder.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, help="Questions asked at the same time.")] = 8,
    reworded: Annotated[bool, typer.Option(help="Also ask reworded questions, and compare the answers.")] = False,
    output: Annotated[Path | None, typer.Option(help="JSON file to write the scores to.")] = None,
    run: Annotated[Path, typer.Option(help="Run folder of the server.")] = RUN,
    config: Annotated[Path, typer.Option(help="The properties that it was started with.")] = CONFIG,
) -> None:
    """Score a model of the running server (make serve) on a file of questions.

    Example: scripts/evaluate.py rooms path/to/daquar/eval.jsonl --reworded --output run/rooms.json
    """
    with one_line_errors("evaluate"):
        questions = read_questions(file, images or pictures_beside(file))
        if output:
            prepare_output(output, (file, *(question.image for question in questions)))
        client = Server(resolved(run), config).client
        asked = predict(client, model, questions, connections)
        scores = compute_scores(asked.predictions)
        _show(model, scores, asked.questions_per_second)
        figures: dict[str, object] = {**scores.as_dict(), "questions_per_second": asked.questions_per_second}
        if reworded:
            comparison = compare_wordings(client, model, questions, asked.predictions, connections)
            _show_comparison(comparison)
            figures["reworded"] = comparison.as_dict()
        if output:
            text = json.dumps({"model": model, "file": str(file), **figures}, indent=2)
            output.write_text(text + "\n", encoding="utf-8")


def _show(model: str, scores: Scores, rate: float) -> None:
    table = Table(title=escape(f"{model}: {scores.questions:,} questions, {rate:.0f} per second"), title_justify="left")
    table.add_column("score")
    table.add_column("%", justify="right")
    figures = scores.as_dict()
    for name, label in LABELS.items():
        error = f" ± {100 * scores.top1_error:.2f}" if name == "top1" else ""
        table.add_row(label + error, f"{100 * figures[name]:.2f}")
    new_console().print(table)


def _show_comparison(comparison: WordingComparison) -> None:
    if not comparison.questions:
        new_console().print("None of the questions is of a form that can be reworded.")
        return
    new_console().print(
        f"{comparison.questions:,} questions reworded: top-1 {100 * comparison.top1:.2f} -> "
        f"{100 * comparison.top1_reworded:.2f}; the answer stays the same for {100 * comparison.same_answer:.1f} %"
    )


if __name__ == "__main__":
    typer.run(main)
