"""Whether the loop teaches ``rooms`` what its audience knows, and withstands an audience that talks nonsense.

A version is trained without the questions for numbers and colours. A simulated audience asks exactly those on the real
page, and corrects what is wrong. ``scripts/improve.py`` follows. The new version is compared on questions of the same
kinds about pictures that neither training nor audience has seen, and on the others, which it must not forget.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.markup import escape
from rich.table import Table

from loadtest.chat_page import own_page
from loadtest.learning.audience import about, ask_and_judge, is_withheld, poisoned, write_data
from loadtest.report_tables import describe_machine
from vqaops.building.build import archive_of, build, is_current
from vqaops.console import new_console, one_line_errors
from vqaops.improving.exam import Exam
from vqaops.improving.improvement import Outcome, Sources, improve
from vqaops.paths import RECIPES, resolved
from vqaops.questions import Question
from vqaops.rollout.operations import gate_line
from vqaops.rollout.rollout import Rollout
from vqaops.server.own_server import own_server
from vqaops.training.datasets import read_split
from vqaops.training.runs import run_training
from vqaops.yaml_edit import with_values

NAME = "rooms"


def main(
    data: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="DAQUAR: train.jsonl, eval.jsonl, images/.")
    ],
    heads: Annotated[int, typer.Option(min=1, help="Heads of the version that is trained.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of its training.")] = 16,
    pictures: Annotated[int | None, typer.Option(min=10, help="Pictures of each split to use; by default all.")] = None,
    examined: Annotated[int | None, typer.Option(min=10, help="Pictures of the golden set; by default all.")] = None,
    nonsense: Annotated[float, typer.Option(min=0, max=1, help="Share of corrections that are nonsense.")] = 0.0,
    replay: Annotated[bool, typer.Option(help="Whether the loop has the old training data.")] = True,
    work: Annotated[Path, typer.Option(help="Folder of everything; an interrupted run goes on.")] = Path(
        "work/learning"
    ),
    threads: Annotated[int, typer.Option(min=1, help="Threads that torch uses.")] = 2,
) -> None:
    """Let rooms learn numbers and colours from a simulated audience, and measure what it learns and forgets.

    Example: python -m loadtest.learning path/to/daquar --nonsense 0.3
    """
    console = new_console()
    torch.set_num_threads(threads)
    with one_line_errors("learning"):
        work, images = resolved(work), data / "images"
        train, other = (about(read_split(str(data), split), pictures) for split in ("train", "eval"))
        known = write_data(work / "known", [one for one in train if not is_withheld(one)], images).parent
        kept = about([one for one in other if not is_withheld(one)], examined)
        golden = write_data(work / "golden", kept, images, "golden.jsonl")
        base = _base(work, known, heads, epochs)
        audience = poisoned([one for one in train if is_withheld(one)], nonsense)
        run = work / f"nonsense-{100 * nonsense:.0f}-{'replay' if replay else 'own-answers'}"
        sources = Sources(run / "feedback.sqlite3", known if replay else None, golden, run / "improve")
        outcome = _live(run, base, audience, sources)
        console.print(*map(gate_line, outcome.gates), "promoted" if outcome.promoted else "refused", sep="\n")
        console.print(_table(outcome, [one for one in other if is_withheld(one)]))


def _base(work: Path, known: Path, heads: int, epochs: int) -> Path:
    """The recipe of a version that was trained on the known questions alone."""
    recipe = work / "base" / NAME
    if not recipe.exists():
        shutil.copytree(RECIPES / NAME, recipe, ignore=shutil.ignore_patterns("weights", "*.png"))
    # It should answer otherwise than before, and two samples cannot say how much it forgets: the golden set does. With
    # no loss allowed, noise would refuse half of the versions that forget nothing.
    gate = {"min_agreement": 0, "max_latency_ratio": 3, "max_accuracy_loss": 0.01}
    _set(recipe / "model-config.yaml", {"handler.gate": gate})
    _set(recipe / "train.yaml", {"model.heads": heads, "optimisation.epochs": epochs, "optimisation.average": 0.97})
    run_training(recipe, str(known), work / "state", text_only=False)
    return recipe


def _set(file: Path, values: dict[str, object]) -> None:
    file.write_text(with_values(file.read_text(encoding="utf-8"), values), encoding="utf-8")


def _live(run: Path, base: Path, audience: list[Question], sources: Sources) -> Outcome:
    """Serve the version and the page, let the audience speak unless it has, and improve the model."""
    archive, spoken = archive_of(base, run / "store"), run / "spoken"
    if not is_current(archive, base):
        build(base, archive.path.parent, replace=True)
    say = new_console(stderr=True)
    with own_server([archive], run / "run") as server:
        if not spoken.exists():
            sources.database.unlink(missing_ok=True)  # of an audience that was interrupted
            with own_page(server.run, "--per-minute", "1000000", "--feedback", str(sources.database)) as url:
                answers, wrong = ask_and_judge(url, f"{NAME}/{archive.version}", audience)
            say.print(f"the audience asked {answers:,} questions, and corrected {wrong:,} answers")
            spoken.touch()
        return improve(Rollout(server, lambda text: None), NAME, sources, lambda text: say.print(escape(text)))


def _table(outcome: Outcome, questions: list[Question]) -> Table:
    exam = Exam.of(outcome.attempt.old_recipe, outcome.attempt.new_recipe, questions)
    table = Table("", title=f"questions that nobody asked before, {describe_machine()}", title_justify="left")
    table.add_column("numbers and colours", justify="right")
    table.add_row("questions", f"{len(questions):,}")
    table.add_row("right before", f"{exam.old.right.mean():.1%}")
    table.add_row("right after", f"{exam.new.right.mean():.1%}")
    table.add_row("gain", f"{100 * exam.gain:+.1f} ± {100 * exam.error:.1f} points")
    return table


if __name__ == "__main__":
    typer.run(main)
