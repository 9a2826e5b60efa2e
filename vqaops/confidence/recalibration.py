"""A threshold that is chosen anew for new weights, with the promise that the recipe's card gives."""

from __future__ import annotations

import re
from pathlib import Path

from vqaops.card_sections import with_section
from vqaops.confidence.calibration import calibrate
from vqaops.confidence.files import section_of, write_calibration
from vqaops.confidence.judged import Judged
from vqaops.files import replace_whole
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig
from vqaserve.text_files import read_text

_PROMISE = re.compile(r"right at least ([\d.]+) % of the time,\nwith ([\d.]+) % confidence")


def promise_of(card: str) -> tuple[float, float] | None:
    """The wished accuracy and the confidence that ``scripts/calibrate.py`` wrote into a card; None without them."""
    found = _PROMISE.search(card)
    return (float(found[1]) / 100, float(found[2]) / 100) if found else None


def recalibrate(recipe: Path, judged: Judged, source: str) -> str | None:
    """Choose the threshold of a recipe that has one for its new weights, and write recipe and card.

    Args:
        recipe: The recipe's folder.
        judged: Its answers to questions that it has not learned.
        source: What the card calls the questions.

    Returns:
        What was done, in a sentence; None if the recipe has no threshold.

    Raises:
        RecipeError: A file of the recipe cannot be read, or its settings cannot be changed.
    """
    threshold = ModelConfig.read(recipe / "model-config.yaml").handler.abstain_below
    if not threshold:
        return None
    card = recipe / "README.md"
    promise = promise_of(read_text(card))
    if promise is None:
        return f"abstain_below stays at {threshold:.2f}: the card does not say what it promises"
    accuracy, confidence = promise
    try:
        found = calibrate(judged, accuracy, confidence)
    except RecipeError as error:
        lines = [
            f"An answer with a score below {threshold:.2f} is marked as `abstained`, a threshold of earlier weights.",
            f"{len(judged):,} questions (`{source}`) do not show that the others are right at least "
            f"{100 * accuracy:g} % of the time,",
            f"with {100 * confidence:g} % confidence.",
        ]
        replace_whole(card, with_section(read_text(card), section_of(lines)))
        return f"abstain_below stays at {threshold:.2f}, and the card says that it is not shown: {error}"
    write_calibration(recipe, found, source)
    return f"abstain_below is {found.promise.threshold:.2f}, before {threshold:.2f}"
