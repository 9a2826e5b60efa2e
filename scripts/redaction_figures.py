"""Measure a recipe of the redactions family on documents that it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqaops.console import new_console, one_line_errors
from vqaops.training.redactions.examples import Source
from vqaops.training.redactions.figures import Figures, measure
from vqaops.training.redactions.pages import render_documents
from vqaserve.families.redactions import Redactions
from vqaserve.settings import ModelConfig

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: python scripts/redaction_figures.py recipes/redactions --data path/to/documents",
    no_args_is_help=True,
)
def main(
    recipe: Annotated[Path, typer.Argument(help="Recipe folder.")],
    data: Annotated[Path, typer.Option(help="Folder with PDF files in held-out/.")],
    pages: Annotated[int, typer.Option(min=1, help="Pages to draw redactions on.")] = 600,
    typed: Annotated[float, typer.Option(min=0, max=1, help="Share of typed pages among them.")] = 0.3,
    seed: Annotated[int, typer.Option(min=1000, help="Seed of what is drawn; training uses smaller ones.")] = 1000,
    state: Annotated[Path, typer.Option(help="Folder of rendered pages.")] = Path("work/train/redactions"),
    threads: Annotated[int, typer.Option(min=1, help="Threads that torch uses.")] = 1,
) -> None:
    """Draw redactions on held-out documents, find them, and print how many were found, as Markdown."""
    console = new_console()
    with one_line_errors("redaction_figures"):
        settings = ModelConfig.read(recipe / "model-config.yaml").handler.model_copy(update={"threads": threads})
        family = Redactions.load(recipe, settings)
        source = Source(render_documents(data / "held-out", 20, state / "pages"), typed, seed)
        whole, printed, scanned = measure(family, source, pages)
        console.print(f"{sum(whole.pages.values())} pages in {family.precision}\n")
        for line in [*_summary(whole, printed, scanned), "", *_kinds(whole)]:
            console.print(line, markup=False)


def _summary(*columns: Figures) -> list[str]:
    rows = {
        "pages": [f"{sum(one.pages.values())}" for one in columns],
        "page F1": [f"{one.page_f1:.3f}" for one in columns],
        "redacted pages that were missed": [
            f"{one.pages[True, False]} of {one.pages[True, False] + one.pages[True, True]}" for one in columns
        ],
        "other pages that were called redacted": [
            f"{one.pages[False, True]} of {one.pages[False, True] + one.pages[False, False]}" for one in columns
        ],
        "boxes, AP50": [f"{one.box_ap50:.3f}" for one in columns],
        "error of the covered share of a page, points": [f"{one.area_error:.2f}" for one in columns],
        "CPU time of a page, ms": [f"{1000 * sum(one.seconds) / max(1, len(one.seconds)):.0f}" for one in columns],
    }
    head = ["| | all | printed | scanned |", "| --- | --- | --- | --- |"]
    return head + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]


def _kinds(figures: Figures) -> list[str]:
    lines = ["| redactions | drawn | found |", "| --- | --- | --- |"]
    for kind, (drawn, found) in sorted(figures.by_kind.items()):
        lines.append(f"| {kind} | {drawn} | {found / drawn:.1%} |")
    lines += ["", "| no redactions | drawn | taken for one |", "| --- | --- | --- |"]
    for kind, (drawn, taken) in sorted(figures.alarms.items()):
        lines.append(f"| {kind} | {drawn} | {taken} |")
    return lines


if __name__ == "__main__":
    app()
