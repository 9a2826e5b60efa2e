"""Pack a recipe and the handler into a model archive, which is stored only if it answers the recipe's first sample."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging_utils import ModelExportUtils

from vqaops.building.archive_content import Content, files_in
from vqaops.paths import HANDLER, MODEL_STORE, resolved
from vqaops.store import checksums
from vqaops.store.archive import MANIFEST, Archive
from vqaops.store.names import check_model_name, check_version
from vqaops.yaml_edit import with_values
from vqaserve.choosing import CONTENT
from vqaserve.errors import RecipeError
from vqaserve.families import prepare
from vqaserve.settings import ModelConfig
from vqaserve.text_files import read_text, split_lines

CONFIG = "model-config.yaml"


def archive_of(recipe: Path, store: Path = MODEL_STORE) -> Archive:
    """The archive that a recipe builds, whether or not the store has it yet.

    Raises:
        RecipeError: The recipe's settings do not validate, or a program downstream cannot take its name or version.
    """
    recipe = resolved(recipe)
    if not recipe.is_dir():
        raise RecipeError(f"{recipe} is not a folder; give a recipe's folder, such as recipes/shapes")
    name = check_model_name(recipe.name)
    version = check_version(_settings(recipe).handler.version)
    return Archive(store / f"{name}-{version}.mar", name, version)


def is_current(archive: Archive, recipe: Path) -> bool:
    """Whether the archive exists and was built from exactly the content that the recipe and the handler have now.

    Raises:
        RecipeError: The archive is damaged, or a file of the recipe cannot be packed.
    """
    recipe = resolved(recipe)
    return archive.path.exists() and archive.content_sha256 == Content.of(recipe, _settings(recipe).handler).sha256


def build(recipe: Path, store: Path = MODEL_STORE, replace: bool = False) -> Archive:
    """Pack a recipe, try the result in a process of its own, and add it to the model store and the store's list.

    Args:
        recipe: A folder with ``model-config.yaml``, ``README.md``, ``samples/`` and the files that its family loads.
        store: TorchServe's model store.
        replace: Replace the archive that the store has of this version. A server that serves that archive can then
            not be started again with it, nor promote it, nor load it again for a rollback.

    Raises:
        RecipeError: The recipe's settings or files do not fit, or the store has this version; nothing was stored.
    """
    recipe = resolved(recipe)
    archive = archive_of(recipe, store)
    if resolved(store).is_relative_to(recipe):
        raise RecipeError(f"the model store {store} lies in the recipe, and would be packed with it; choose another")
    if archive.path.exists() and not replace:
        raise RecipeError(
            f"{archive.path} exists with other content, and a server that serves it could not start again without it; "
            "give the new one a higher `handler: version:` in model-config.yaml, or replace the archive: --replace"
        )
    for needed in ("README.md", "samples/questions.jsonl"):
        if not (recipe / needed).is_file():
            raise RecipeError(f"{recipe / needed} is missing; see recipes/shapes for a complete recipe")
    settings = _settings(recipe).handler
    content = Content.of(recipe, settings)
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store, prefix=".building-") as temporary:
        prepared, packed = Path(temporary) / "prepared", Path(temporary) / archive.path.name
        prepared.mkdir()
        prepare(recipe, settings, prepared)
        files = {**content.files, **_prepared_files(prepared, content)}
        members = {MANIFEST: _manifest(archive), CONTENT: content.sha256 + "\n", CONFIG: _config(recipe, content.files)}
        _pack(packed, files, members)
        _try(packed, Path(temporary) / "unpacked", recipe)
        packed.replace(archive.path)
    checksums.record(archive.path)
    return archive


def _settings(recipe: Path) -> ModelConfig:
    return ModelConfig.read(recipe / CONFIG)


def _config(recipe: Path, files: Mapping[str, Path]) -> str:
    """The archive's settings: TorchServe reads numbers where the recipe says ``auto``."""
    text, config = read_text(recipe / CONFIG), _settings(recipe)
    if not config.auto:
        return text
    weights = f"{config.handler.weights}/"
    fitted = config.fitted(sum(path.stat().st_size for name, path in files.items() if name.startswith(weights)))
    numbers: dict[str, object] = {"auto": list(config.auto)}
    if "workers" in config.auto:
        numbers |= {"minWorkers": fitted.minWorkers, "maxWorkers": fitted.maxWorkers}
    if "threads" in config.auto:
        numbers["handler.threads"] = fitted.handler.threads
    return with_values(text, numbers)


def _prepared_files(prepared: Path, content: Content) -> Mapping[str, Path]:
    files = files_in(prepared)
    if shared := files.keys() & content.files.keys():
        raise RecipeError(f"the recipe holds {', '.join(sorted(shared))}, which the build writes itself; remove it")
    return files


def _manifest(archive: Archive) -> str:
    config = ModelArchiverConfig(
        model_name=archive.name,
        version=archive.version,
        handler=str(HANDLER / "vqa_handler.py"),
        config_file=CONFIG,
    )
    manifest: str = ModelExportUtils.generate_manifest_json(config)
    return manifest


def _pack(archive: Path, files: Mapping[str, Path], texts: Mapping[str, str]) -> None:
    """Write a zip file of files and texts by their names in it; a text replaces a file of its name.

    The archiver's own packing takes its folders as one string, which it splits at commas and whose brackets it expands.
    Nothing is deflated: weights do not shrink, and unpacking deflated files stalls TorchServe's connections.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:
        for name, path in files.items():
            if name not in texts:
                packed.write(path, name)
        for name, text in texts.items():
            packed.writestr(name, text)


def _try(packed: Path, folder: Path, recipe: Path) -> None:
    """Load the archive as a worker would, from nothing but its own files, and ask its first sample."""
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    # `python -m` puts the working directory first on the import path. PYTHONPATH could not name a folder with a colon.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    environment = {**inherited, "HF_HUB_OFFLINE": "1", "VQA_RUN": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "vqaops.building.worker"], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        lines = split_lines(done.stderr.strip()) or [f"the process ended with status {done.returncode}"]
        reason = re.sub(r"^[\w.]*RecipeError: ", "", lines[-1]).replace(str(folder), str(recipe))
        raise RecipeError(f"the archive does not answer its first sample: {reason}")
