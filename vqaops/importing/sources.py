"""Recipes of models from the Hub or from a Hugging Face folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vqaops.importing.chat_app import convert_files
from vqaops.importing.folders import choose_local_files, copy_files, find_family, is_pickled
from vqaops.importing.recipes import Origin, new_recipe
from vqaops.paths import resolved
from vqaops.store.names import check_model_name
from vqaserve.errors import RecipeError

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
        RecipeError: The source cannot be read, is not a model for pictures and questions, or ``output`` exists already.
    """
    check_model_name(resolved(output).name)
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
