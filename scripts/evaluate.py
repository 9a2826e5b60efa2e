"""Ask a running server every question of a file, and score the answers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.evaluation.asking import ask_all
from vqaops.evaluation.rewording import reword
from vqaops.evaluation.scores import Prediction, Scores, scores_of
from vqaops.questions import Question, read_questions
from vqaops.server.client import Client
from vqaops.server.server import Server
from vqaserve.errors import RecipeError

LABELS = {
    "top1": "top-1 (exact match of the first answer)",
    "top5": "top-5",
    "any_answer": "top-1 is any listed answer",
    "multi_answer": "multi-answer (share of n answers in the n best)",
    "calibration_error": "expected calibration error",
    "confident20": "top-1, most confident 20 %",
    "confident50": "top-1, most confident 50 %",
}


def main(
    model: Annotated[str, typer.Argument(help="Name of a model that the server has loaded.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Questions, one JSON object a line.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures; by default beside the file.")] = None,
    connections: Annotated[int, typer.Option(min=1, help="Questions in flight.")] = 8,
    reworded: Annotated[bool, typer.Option(help="Ask again in other words, and compare.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Score a model of the running server (make serve) on a file of questions.

    Example: scripts/evaluate.py rooms path/to/daquar/eval.jsonl --reworded --output run/rooms.json
    """
    beside = file.parent / "images"
    try:
        questions = read_questions(file, images or (beside if beside.is_dir() else file.parent))
        figures = _evaluate(Server().client, model, questions, connections, reworded)
    except (RecipeError, ServerError) as error:
        refuse("evaluate", error)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps({"model": model, "file": str(file), **figures}, indent=2) + "\n", encoding="utf-8")


def _evaluate(
    client: Client, model: str, questions: list[Question], connections: int, reworded: bool
) -> dict[str, object]:
    began = time.perf_counter()
    predictions = ask_all(client, model, questions, connections)
    rate = len(questions) / (time.perf_counter() - began)
    scores = scores_of(predictions)
    _show(model, scores, rate)
    figures: dict[str, object] = {**scores.as_dict(), "questions_per_second": rate}
    if reworded:
        figures["reworded"] = _compare_wordings(client, model, questions, predictions, connections)
    return figures


def _show(model: str, scores: Scores, rate: float) -> None:
    table = Table(title=f"{model}: {scores.questions:,} questions, {rate:.0f} a second", title_justify="left")
    table.add_column("figure")
    table.add_column("%", justify="right")
    figures = scores.as_dict()
    for name, label in LABELS.items():
        error = f" ± {100 * scores.top1_error:.2f}" if name == "top1" else ""
        table.add_row(label + error, f"{100 * figures[name]:.2f}")
    Console().print(table)


def _compare_wordings(
    client: Client, model: str, questions: list[Question], before: list[Prediction], connections: int
) -> dict[str, float]:
    """Ask what can be asked in other words (none of them used in training), beside the original wording."""
    other = [(index, reword(question.text)) for index, question in enumerate(questions)]
    pairs = [(index, text) for index, text in other if text is not None]
    asked = [Question(questions[index].image, text, questions[index].answers) for index, text in pairs]
    after = ask_all(client, model, asked, connections)
    original = [before[index] for index, _ in pairs]
    same = sum(a.ranked[0] == b.ranked[0] for a, b in zip(original, after, strict=True)) / len(pairs)
    top1, top1_reworded = scores_of(original).top1, scores_of(after).top1
    Console().print(
        f"{len(pairs):,} of them in other words: top-1 {100 * top1:.2f} -> {100 * top1_reworded:.2f}, "
        f"the same answer to {100 * same:.1f} %"
    )
    return {"questions": len(pairs), "top1": top1, "top1_reworded": top1_reworded, "same_answer": same}


if __name__ == "__main__":
    typer.run(main)
