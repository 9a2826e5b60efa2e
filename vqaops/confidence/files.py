"""The files of a calibrated recipe: the threshold, the temperature, the curve, and a section of the card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vqaops.card_sections import with_section
from vqaops.confidence.calibration import Calibration, risk_and_coverage
from vqaops.files import replace_whole
from vqaops.yaml_edit import with_values
from vqaserve.families.modular.config import ModularConfig
from vqaserve.settings import ModelConfig
from vqaserve.text_files import read_text

CURVE = "risk-coverage.png"


def write_calibration(recipe: Path, found: Calibration, source: str) -> None:
    """Write a calibration into a recipe.

    Args:
        recipe: The recipe's folder.
        found: The calibration.
        source: What the card calls the questions.

    Raises:
        RecipeError: A file of the recipe cannot be read, or its settings cannot be changed.
        OSError: A file cannot be written.
    """
    config, card = recipe / "model-config.yaml", recipe / "README.md"
    settings = with_values(read_text(config), {"handler.abstain_below": found.promise.threshold})
    text = with_section(read_text(card), section(found, source))
    draw_curve(recipe / CURVE, found, recipe.resolve().name)
    weights = recipe / ModelConfig.read(config).handler.weights / "config.json"
    if found.judged.temperature is not None:
        model = ModularConfig.read(weights)
        if model.temperature != found.judged.temperature:
            tempered = model.model_copy(update={"temperature": found.judged.temperature})
            replace_whole(weights, tempered.model_dump_json(indent=2) + "\n")
    replace_whole(config, settings)
    replace_whole(card, text)


def section(found: Calibration, source: str) -> str:
    """A section of a model card, in Markdown."""
    promise = found.promise
    rows = [
        ("held-out questions", f"{promise.questions:,} (`{source}`)"),
        ("answers at or above the threshold", _percent(promise.coverage)),
        ("right among them", _percent(promise.share_right)),
        ("right among all answers", _percent(float(found.judged.right.mean()))),
    ]
    if found.judged.temperature is not None:
        rows.append(("temperature", f"{found.judged.temperature:.2f}"))
    lines = [
        f"An answer with a score below {promise.threshold:.2f} is marked as `abstained`. The others are right at least "
        f"{100 * promise.accuracy:g} % of the time,",
        f"with {100 * promise.confidence:g} % confidence (fixed sequence testing, Angelopoulos et al. 2021).",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        f"![Share of wrong answers against the share of questions that are answered]({CURVE})",
        "",
    ]
    if found.unanswerable:
        lines += ["| questions that the model cannot know | asked | marked as `abstained` |", "| --- | --- | --- |"]
        lines += [
            f"| {one.kind} | {one.questions} | {100 * one.unsure / one.questions:.0f} % |" for one in found.unanswerable
        ]
        lines.append("")
    return section_of(lines)


def section_of(lines: Sequence[str]) -> str:
    """Lines of Markdown as the section that a card has once."""
    return "\n".join(["<!-- written by scripts/calibrate.py -->", *lines, "<!-- end -->"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def draw_curve(path: Path, found: Calibration, title: str) -> None:
    """Plot risk against coverage, with the threshold and the wish."""
    from matplotlib.figure import Figure  # not pyplot, which needs a display

    promise = found.promise
    coverage, risk = risk_and_coverage(found.judged)
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(100 * coverage, 100 * risk)
    axes.axhline(100 * (1 - promise.accuracy), color="grey", linestyle="--", label="most that is allowed")
    point = 100 * promise.coverage, 100 * (1 - promise.share_right)
    axes.plot(*point, "o", color="black", label=f"score of {promise.threshold:.2f}")
    axes.set(title=title, xlabel="questions answered, surest first, %", ylabel="wrong answers, %")
    axes.set(xlim=(0, 100), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)
