"""The part of a model card that training writes: the figures, with their tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vqaops.card_sections import with_section
from vqaops.training.classes.figures import Figures
from vqaops.training.classes.pictures import LabelledPicture, Split
from vqaserve.text_files import read_text

CURVE, CONFUSION = "learning-curve.png", "confusion-matrix.png"
_BEGIN, _END = "<!-- figures: scripts/train.py replaces what is between these comments -->", "<!-- end of figures -->"


def write_figures(card: Path, section: str) -> bool:
    """Replace the figures of a card, or add them at its end if it has none yet.

    Returns:
        Whether the card exists, and so was written.
    """
    if not card.is_file():
        return False
    card.write_text(with_section(read_text(card), section), encoding="utf-8")
    return True


def figures_section(figures: Figures, split: Split, temperature: float) -> str:
    """The figures in Markdown, between two comments by which the next training finds them."""
    low, high = figures.interval
    marked = (
        "" if figures.abstained is None else f" {figures.abstained} of them are marked as unlike all of the classes."
    )
    lines = [
        _BEGIN,
        "## Figures",
        "",
        f"{figures.accuracy:.1%} of {figures.pictures} pictures that were held out before the training are classified "
        f"right (95 % interval: {low:.1%} to {high:.1%}).{marked}",
        "",
        *_classes_table(figures, split),
        "",
        f"![Confusion matrix of the classes.]({CONFUSION})",
        "",
        f"![Loss and accuracy by epoch.]({CURVE})",
        "",
        f"The head was trained on {len(split.train)} pictures. {len(split.held_out)} others decided when to stop, and "
        f"its temperature ({temperature:.2f}) was fitted to them. No picture is in two of the three parts.",
        _END,
    ]
    return "\n".join(lines)


def _classes_table(figures: Figures, split: Split) -> list[str]:
    lines = ["| class | trained on | tested on | precision | recall | F1 |", "| --- | --- | --- | --- | --- | --- |"]
    for row, label in enumerate(figures.labels):
        precision, recall, f1 = figures.of_class(row)
        counts = f"{_count(split.train, label)} | {figures.confusion[row].sum()}"
        name = label.replace("|", r"\|")
        lines.append(f"| {name} | {counts} | {precision:.1%} | {recall:.1%} | {f1:.1%} |")
    return lines


def _count(pictures: Sequence[LabelledPicture], label: str) -> int:
    return sum(picture.label == label for picture in pictures)
