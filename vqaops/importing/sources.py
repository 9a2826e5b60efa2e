"""Recipes of models from the Hub or from a Hugging Face folder, and recipes that were published on the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from vqaops.importing.chat_app import convert_files
from vqaops.importing.copied_files import copy_files
from vqaops.importing.folders import choose_local_files, find_family, is_pickled
from vqaops.importing.recipe_files import CARD, CONFIG
from vqaops.importing.recipes import Origin, check_device, new_folder, new_recipe
from vqaops.paths import resolved
from vqaops.store.names import check_model_name
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig
from vqaserve.text_files import read_text

if TYPE_CHECKING:
    from vqaops.importing.hub import Snapshot  # of the extra hf

STARTUP_TIMEOUT = 600  # seconds, because some models have gigabytes to read


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a model, as the command line gives it.

    Attributes:
        hub: ``ORG/NAME`` on the Hub; either this or ``folder``.
        folder: A folder as ``save_pretrained`` writes it.
        revision: The commit, branch or tag on the Hub.
        pickled: Whether pickled weights are allowed.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    hub: str | None = None
    folder: Path | None = None
    revision: str | None = None
    pickled: bool = False
    device: str = "auto"

    @property
    def name(self) -> str:
        """A model's name derived from the source, in the characters that TorchServe allows."""
        last = (self.hub or str(resolved(self.folder or Path()))).rstrip("/").rpartition("/")[2]
        return re.sub(r"[^a-z0-9_.-]+", "-", last.lower()).strip("-.") or "model"


def make_recipe(source: Source, output: Path, console: Console) -> None:
    """Write the recipe of a model from the Hub or from a folder.

    Raises:
        RecipeError: The source cannot be read, is not a model for pictures and questions, or ``output`` exists already;
            or the device is not one.
    """
    check_model_name(resolved(output).name)
    check_device(source.device)
    if output.exists() and not output.is_dir():
        raise RecipeError(f"{output} is a file; give -o the name of a new folder")
    if output.exists() and any(output.iterdir()):
        raise RecipeError(f"{output} exists already: build it (scripts/build_mar.py {output}), or give -o another name")
    if source.hub:
        _from_hub(source, source.hub, output, console)
    elif source.folder:
        _from_folder(source, source.folder, output)


def _from_folder(source: Source, folder: Path, output: Path) -> None:
    if not folder.is_dir():
        raise RecipeError(f"{folder} is not a folder")
    names = choose_local_files(folder, source.pickled)
    description = f"Made from a local folder, `{folder.name}`. Fill in its origin and license."
    _write(folder, names, output, source, description)


def _from_hub(source: Source, repo: str, output: Path, console: Console) -> None:
    from vqaops.importing.hub import CHAT_ANSWERS, CHAT_CHECKPOINTS, CHAT_VOCABULARIES, fetch  # needs huggingface-hub

    found = fetch(repo, source.revision, pickled=source.pickled, console=console)
    if found.is_recipe:
        copy_recipe(found, output, source.device)
        return
    if found.is_chat_app:
        convert_files(
            found.first(CHAT_CHECKPOINTS),
            found.first(CHAT_VOCABULARIES),
            found.first(CHAT_ANSWERS),
            output,
            device=source.device,
            base_model=repo,
            revision=found.revision,
        )
        return
    how = "its pickled weights rewritten as safetensors" if any(map(is_pickled, found.names)) else "unchanged"
    description = (
        f"The files of [{repo}](https://huggingface.co/{repo}) at commit `{found.revision}`, {how}. What it was "
        "trained on, its terms and its limits: see there."
    )
    _write(found.folder, found.names, output, source, description, found.license, repo, found.revision)


def copy_recipe(found: Snapshot, output: Path, device: str = "auto") -> None:
    """Write a recipe as it was published, with a line in its card that says where it is from.

    Args:
        found: The downloaded repository.
        output: The new recipe's folder.
        device: The device to write into its settings; ``auto`` leaves them as they are.

    Raises:
        RecipeError: The settings are not valid, or ``output`` exists already.
    """
    ModelConfig.read(found.folder / CONFIG)
    with new_folder(output) as recipe:
        for name in found.names:
            (recipe / name).parent.mkdir(parents=True, exist_ok=True)
            copy_files(found.folder, recipe, [name])
        if device != "auto":
            from vqaops.yaml_edit import with_values  # of the extra hf

            config = recipe / CONFIG
            config.write_text(with_values(read_text(config), {"handler.device": device}), encoding="utf-8", newline="")
        with (recipe / CARD).open("a", encoding="utf-8") as card:
            card.write(f"\nFrom [{found.repo}](https://huggingface.co/{found.repo}) at commit `{found.revision}`.\n")


def _write(
    folder: Path,
    names: list[str] | tuple[str, ...],
    output: Path,
    source: Source,
    description: str,
    license: str = "unknown",
    base_model: str | None = None,
    revision: str | None = None,
) -> None:
    family, tag = find_family(folder)
    origin = Origin(
        family, tag, "transformers", description, source.device, STARTUP_TIMEOUT, license, base_model, revision
    )
    with new_recipe(output, origin) as weights:
        copy_files(folder, weights, names)
