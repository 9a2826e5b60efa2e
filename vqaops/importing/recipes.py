"""New recipes: settings, model card and a sample for imported weights."""

from __future__ import annotations

import json
import re
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

from vqaops.paths import resolved
from vqaops.store.names import check_model_name
from vqaserve.errors import RecipeError
from vqaserve.families import find_family

_PICTURE = "red-triangle.png"
_SAMPLES: dict[str, dict[str, object]] = {
    "document_redaction_detection": {"image": _PICTURE},
    "image_classification": {"image": _PICTURE},
    "visual_question_answering": {"image": _PICTURE, "question": "what color is the triangle?", "answers": ["red"]},
    "zero_shot_image_classification": {
        "image": _PICTURE,
        "labels": ["a red triangle", "a photograph of a cat"],
        "answers": ["a red triangle"],
    },
}
"""A sample for each task. A classifier with classes of its own may know none that fits, so any answer passes."""

_RUNTIMES = {
    family: {"runtime": "auto"} for family in ("hf_classifier", "hf_image_classifier", "torchvision_classifier")
}
"""Options with which a family leaves its runtime to the machine that serves."""

_TASKS = {"image-text-to-text": "visual_question_answering"}
"""The task of a name of the Hub, where it is not the same with underscores."""

_DELAY = "1         # ms; requests that queued while the worker was busy form a batch, a lone one does not wait"
_WRITING_DELAY = "50        # ms; little beside an answer's seconds, and requests that come together share a batch"


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a model, for the recipe's settings and card.

    Attributes:
        family: The family that serves the model.
        pipeline_tag: The Hub's name of its task.
        library_name: The Hub's name of its library.
        description: The card's text in Markdown: where the model is from and how it was changed.
        device: ``auto``, ``cpu`` or ``cuda``.
        startup_timeout: Maximum duration of loading in seconds.
        license: The Hub's license identifier.
        base_model: The repository on the Hub that the model is from.
        revision: The commit of that repository.
        options: The family's ``options:``.
    """

    family: str
    pipeline_tag: str
    library_name: str
    description: str
    device: str = "auto"
    startup_timeout: int = 120
    license: str = "unknown"
    base_model: str | None = None
    revision: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """The task of the recipe."""
        return _TASKS.get(self.pipeline_tag, self.pipeline_tag.replace("-", "_"))


@contextmanager
def new_recipe(folder: Path, origin: Origin) -> Iterator[Path]:
    """Create a recipe around the ``weights`` folder that the caller fills.

    Raises:
        RecipeError: As ``new_folder``.
    """
    with new_folder(folder) as recipe:
        (recipe / "weights").mkdir()
        yield recipe / "weights"
        complete_recipe(recipe, origin)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Create a recipe's folder, which the caller fills; it appears under its name complete, or not at all.

    Raises:
        RecipeError: The folder exists already, or its name cannot be a model's.
    """
    folder = resolved(folder)  # `new/..` would lead out of the temporary folder
    check_model_name(folder.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder} exists already; remove it or choose another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".importing-") as temporary:
        recipe = Path(temporary) / folder.name
        recipe.mkdir()
        yield recipe
        if folder.exists():
            folder.rmdir()
        shutil.move(recipe, folder)


def check_device(device: str) -> None:
    """Refuse a device that recipes do not take.

    Raises:
        RecipeError: It is none of ``auto``, ``cpu``, ``cuda`` and ``cuda:N``.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise RecipeError(f"--device is {device!r}; it takes auto, cpu or cuda, or cuda:1 and the like")


def complete_recipe(folder: Path, origin: Origin) -> list[str]:
    """Write the files that a recipe needs besides its weights, unless they exist; return the names of those written."""
    missing = [
        name for name in ("model-config.yaml", "README.md", "samples/questions.jsonl") if not (folder / name).exists()
    ]
    if "model-config.yaml" in missing:
        (folder / "model-config.yaml").write_text(_settings(origin), encoding="utf-8")
    if "README.md" in missing:
        (folder / "README.md").write_text(_card(folder.resolve().name, origin), encoding="utf-8")
    if "samples/questions.jsonl" in missing:
        _write_sample(folder / "samples", origin.task)
    return missing


def _write_sample(folder: Path, task: str) -> None:
    folder.mkdir(exist_ok=True)
    picture = Image.new("RGB", (320, 240), "ivory")
    ImageDraw.Draw(picture).polygon((80, 200, 240, 200, 160, 60), fill="red")
    if not (folder / _PICTURE).exists():
        picture.save(folder / _PICTURE)
    (folder / "questions.jsonl").write_text(json.dumps(_SAMPLES[task]) + "\n", encoding="utf-8")


def _settings(origin: Origin) -> str:
    delay = _WRITING_DELAY if find_family(origin.family).writes else _DELAY
    return f"""\
# TorchServe reads the top level, and the handler the section `handler:`.
minWorkers: auto         # processes, each with a copy of the weights: one for each core, or fewer where memory is short
maxWorkers: auto         # equal to minWorkers, because TorchServe does not scale by itself
batchSize: 8             # maximum number of requests in a batch
maxBatchDelay: {delay}
responseTimeout: 120     # s; then the worker is considered stuck and restarted
startupTimeout: {origin.startup_timeout:<8} # s; maximum duration of importing the libraries and loading the weights
jobQueueSize: 32         # requests that may wait, the next gets 503; see max_request_size and -Xmx in config.properties
handler:
  version: 1.0.0
  task: {origin.task}
  family: {origin.family}
  device: {origin.device}
  threads: auto          # the cores divided by the workers
  precision: auto        # with `runtime`, measured on the machine that serves before its workers start
{_options({**_RUNTIMES.get(origin.family, {}), **origin.options})}"""


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
        "tags": [origin.task.replace("_", "-"), "torchserve"],
        "base_model": origin.base_model,
        "base_model_revision": origin.revision,
    }
    head = yaml.safe_dump({key: value for key, value in about.items() if value}, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n# {name}\n\n{origin.description.strip()}\n"
