"""A new recipe's folder: settings, model card and samples around weights from elsewhere."""

from __future__ import annotations

import json
import shutil
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageDraw

from vqaops.store.names import check_model_name
from vqaserve.errors import RecipeError

_SAMPLE = {"image": "red-triangle.png", "question": "what color is the triangle?", "answers": ["red"]}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model came from, for its settings and its card.

    Attributes:
        family: What serves it.
        pipeline_tag: The Hub's word for what it does.
        library_name: The Hub's word for what it is made with.
        story: The card's text: where it is from and how it was changed; Markdown.
        device: ``auto``, ``cpu`` or ``cuda``.
        startup_timeout: Seconds that loading may take.
        license: The Hub's word for its terms.
        base_model: The Hub's name of the model that this is a copy of.
        revision: Its commit.
        options: The family's ``options:``.
    """

    family: str
    pipeline_tag: str
    library_name: str
    story: str
    device: str = "auto"
    startup_timeout: int = 120
    license: str = "unknown"
    base_model: str | None = None
    revision: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def new_recipe(folder: Path, origin: Origin) -> Iterator[Path]:
    """Gives an empty ``weights`` folder to fill, and writes the rest around it.

    The recipe appears under its name whole or not at all.

    Raises:
        RecipeError: Something is there already, or the folder's name cannot be a model's.
    """
    check_model_name(folder.resolve().name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder} is there already; remove it or choose another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".importing-") as temporary:
        recipe = Path(temporary) / folder.name
        (recipe / "weights").mkdir(parents=True)
        yield recipe / "weights"
        complete_recipe(recipe, origin)
        if folder.exists():
            folder.rmdir()
        shutil.move(recipe, folder)


def complete_recipe(folder: Path, origin: Origin) -> list[str]:
    """Write what a recipe needs around its weights; gives back what was missing, and leaves what is there."""
    missing = [
        name for name in ("model-config.yaml", "README.md", "samples/questions.jsonl") if not (folder / name).exists()
    ]
    if "model-config.yaml" in missing:
        (folder / "model-config.yaml").write_text(_settings(origin), encoding="utf-8")
    if "README.md" in missing:
        (folder / "README.md").write_text(_card(folder.resolve().name, origin), encoding="utf-8")
    if "samples/questions.jsonl" in missing:
        _write_sample(folder / "samples")
    return missing


def _write_sample(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    picture = Image.new("RGB", (320, 240), "ivory")
    ImageDraw.Draw(picture).polygon((80, 200, 240, 200, 160, 60), fill="red")
    if not (folder / str(_SAMPLE["image"])).exists():
        picture.save(folder / str(_SAMPLE["image"]))
    (folder / "questions.jsonl").write_text(json.dumps(_SAMPLE) + "\n", encoding="utf-8")


def _settings(origin: Origin) -> str:
    return f"""\
# TorchServe reads the top level, the handler what stands under `handler:`.
minWorkers: 1            # one process with one copy of the weights; more where cores and memory allow
maxWorkers: 1            # the same: TorchServe never scales by itself
batchSize: 8             # the most that leave together
maxBatchDelay: 1         # ms; sends what queued while the worker was busy, waits for nobody
responseTimeout: 120     # s; a worker this late is stuck
startupTimeout: {origin.startup_timeout:<8} # s; importing the libraries and reading the weights, on a cold, busy disk
jobQueueSize: 32         # requests that may wait, then 503 at once; with max_request_size and -Xmx in config.properties
handler:
  version: 1.0.0
  family: {origin.family}
  device: {origin.device}
  threads: 1
{_options(origin.options)}"""


def _options(options: Mapping[str, Any]) -> str:
    if not options:
        return ""
    text = yaml.safe_dump({"options": dict(options)}, sort_keys=False, allow_unicode=True, width=110)
    return textwrap.indent(text, "  ")


def _card(name: str, origin: Origin) -> str:
    about = {
        "license": origin.license,
        "library_name": origin.library_name,
        "pipeline_tag": origin.pipeline_tag,
        "tags": ["visual-question-answering", "torchserve"],
        "base_model": origin.base_model,
        "base_model_revision": origin.revision,
    }
    head = yaml.safe_dump({key: value for key, value in about.items() if value}, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n# {name}\n\n{origin.story.strip()}\n"
