"""Pictures to try with a question each, from the recipes' samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import gradio as gr

from vqaops.paths import RECIPES
from vqaops.questions import Question, read_samples
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig

_HIDDEN: Final = "hidden"
"""In the page, but not shown. Gradio adds the buttons of examples first, and their text a moment later; a screen reader
would find buttons without a name if they were added when they are shown."""


def read_examples(tasks: Collection[str]) -> dict[str, list[Question]]:
    """The first sample of each picture of the recipes that have one of these tasks, by the recipe's name."""
    found = {}
    for folder in sorted(RECIPES.glob("*/samples")):
        try:
            if ModelConfig.read(folder.parent / "model-config.yaml").handler.task not in tasks:
                continue
            samples = {sample.image: sample for sample in reversed(read_samples(folder.parent))}
        except RecipeError:
            continue
        found[folder.parent.name] = list(reversed(samples.values()))
    return found


def build_examples(box: gr.MultimodalTextbox, tasks: Collection[str]) -> dict[str, gr.Dataset]:
    """A question about each sample picture of each recipe, by the model's name; hidden until that model is chosen.

    Args:
        box: Where picture and question go.
        tasks: The tasks that people can ask there.
    """
    found = {}
    for name, samples in read_examples(tasks).items():
        rows = [[{"text": sample.title, "files": [str(sample.image)]}] for sample in samples]
        found[name] = gr.Examples(rows, [box], label="Examples", elem_id=f"examples-{name}", visible=_HIDDEN).dataset
    return found


def shown_for(key: str | None, examples: Mapping[str, gr.Dataset]) -> list[gr.Dataset]:
    """The examples with those of a model shown.

    Args:
        key: ``NAME/VERSION``, or None.
        examples: By the model's name.
    """
    name = (key or "").partition("/")[0]
    return [gr.Dataset(visible=True if name == recipe else _HIDDEN) for recipe in examples]
