"""Pictures to try with a question each, from the recipes' samples."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from vqaops.paths import RECIPES
from vqaops.questions import read_samples
from vqaserve.errors import RecipeError


def build_examples(box: gr.MultimodalTextbox) -> dict[str, gr.Dataset]:
    """A question about each sample picture of each recipe, by the model's name; hidden until that model is chosen."""
    found = {}
    for folder in sorted(RECIPES.glob("*/samples")):
        try:
            samples = {sample.image: sample for sample in reversed(read_samples(folder.parent))}
        except RecipeError:
            continue
        name = folder.parent.name
        rows = [[{"text": sample.title, "files": [str(sample.image)]}] for sample in reversed(samples.values())]
        found[name] = gr.Examples(rows, [box], label="Examples", elem_id=f"examples-{name}", visible=False).dataset
    return found


def shown_for(key: str | None, examples: Mapping[str, gr.Dataset]) -> list[gr.Dataset]:
    """The examples with those of a model shown.

    Args:
        key: ``NAME/VERSION``, or None.
        examples: By the model's name.
    """
    name = (key or "").partition("/")[0]
    return [gr.Dataset(visible=name == recipe) for recipe in examples]
