"""A tiny training: settings, data and recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from safetensors.torch import load as load_weights
from typer.testing import CliRunner, Result

from scripts.train import app

COLOURS = ["red", "lime", "blue"]
SETTINGS: dict[str, Any] = {
    "tokenizer": "words",
    "freeze_image_encoder": False,
    "held_out": 0.2,
    "model": {
        "pixels": {"width": 8, "height": 8},
        "image_encoder": {"name": "small_cnn", "widths": [8]},
        "text_encoder": {"name": "transformer", "width": 16, "layers": 1, "attention_heads": 2, "hidden": 16},
        "fusion": {"name": "glimpse_attention", "width": 32, "glimpses": 1, "dropout": 0.1},
        "heads": 2,
    },
    "optimisation": {
        "epochs": 4,
        "patience": 4,
        "pictures_per_step": 4,
        "learning_rate": 0.01,
        "warmup_epochs": 0.5,
        "average": 0.8,
    },
    "augmentation": {"mirror": 0.5, "paraphrase": 0.3, "forget_words": 0.05},
}


def make_data(folder: Path, split: str = "train") -> Path:
    """Plain pictures in three colours; a question can be answered only by its picture."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(30):
        colour = COLOURS[number % 3]
        name = f"image{number}.png"
        Image.new("RGB", (12, 9), colour).save(folder / "images" / name)
        rows.append({"image": name, "question": "what color is the wall ?", "answers": [colour]})
        rows.append({"image": name, "question": "how many walls are there ?", "answers": ["1"]})
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def make_recipe(folder: Path, settings: dict[str, Any] = SETTINGS, **changes: Any) -> Path:
    """A recipe folder with a ``train.yaml`` alone."""
    folder.mkdir(parents=True)
    (folder / "train.yaml").write_text(yaml.safe_dump(settings | changes))
    return folder


def invoke(recipe: Path, data: Path, *arguments: str) -> Result:
    """The command's result; its state is beside the recipe."""
    state = str(recipe.parent / "state")
    return CliRunner().invoke(app, [str(recipe), "--data", str(data), "--state", state, "--threads", "1", *arguments])


def run(recipe: Path, data: Path, *arguments: str) -> None:
    """Train, and expect no error."""
    result = invoke(recipe, data, *arguments)
    assert result.exit_code == 0, result.output


def weights(recipe: Path) -> bytes:
    """The trained weights."""
    return (recipe / "weights" / "model.safetensors").read_bytes()


def assert_same_weights(found: bytes, expected: bytes) -> None:
    """Assert equality within rounding: where arrays lie in memory changes how sums round, and training amplifies it."""
    torch.testing.assert_close(load_weights(found), load_weights(expected), rtol=1e-3, atol=1e-4)
