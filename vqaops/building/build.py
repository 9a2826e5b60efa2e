"""Pack a recipe and the handler into a model archive, and try it before it is put into the model store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_archiver import ModelArchiver
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_archiver_error import ModelArchiverError

from vqaops.paths import HANDLER, MODEL_STORE
from vqaops.store import checksums
from vqaops.store.archive import Archive
from vqaserve.errors import RecipeError
from vqaserve.families import prepare
from vqaserve.settings import ModelConfig


def archive_of(recipe: Path, store: Path = MODEL_STORE) -> Archive:
    """The archive that a recipe builds, whether or not it is there yet.

    Raises:
        RecipeError: The recipe's settings do not validate.
    """
    recipe = recipe.resolve()
    version = ModelConfig.read(recipe / "model-config.yaml").handler.version
    return Archive(store / f"{recipe.name}-{version}.mar", recipe.name, version)


def is_current(archive: Archive, recipe: Path) -> bool:
    """Whether an archive is there and newer than everything that goes into it."""
    if not archive.path.exists():
        return False
    built = archive.path.stat().st_mtime
    sources = [*_files(HANDLER), *_files(recipe)]
    return all(path.stat().st_mtime <= built for path in sources)


def build(recipe: Path, store: Path = MODEL_STORE, replace: bool = False) -> Archive:
    """Pack a recipe, try the result in a process of its own, and move it into the model store and its list at once.

    Args:
        recipe: A folder with ``model-config.yaml``, ``README.md``, ``samples/`` and what its family loads.
        store: TorchServe's model store.
        replace: Put it in the place of the archive that the store has of this version. A server that serves that one
            can neither be started again with it nor roll back to it afterwards.

    Raises:
        RecipeError: The recipe's settings or files do not fit, or the store has this version; nothing was put there.
    """
    recipe = recipe.resolve()
    archive = archive_of(recipe, store)
    if archive.path.exists() and not replace:
        raise RecipeError(
            f"{archive.path} is there already, and a server that serves it could not start again without it; give the "
            "new one a higher `handler: version:` in its model-config.yaml, or replace it all the same: --replace"
        )
    _check_files(recipe)
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store, prefix=".building-") as temporary:
        prepared = Path(temporary) / "prepared"
        prepared.mkdir()
        prepare(recipe, ModelConfig.read(recipe / "model-config.yaml").handler, prepared)
        packed = _pack(recipe, prepared, archive.version, Path(temporary))
        _try(packed, Path(temporary) / "unpacked", recipe)
        packed.replace(archive.path)
    checksums.record(archive.path)
    return archive


def _check_files(recipe: Path) -> None:
    for needed in ("README.md", "samples/questions.jsonl"):
        if not (recipe / needed).is_file():
            raise RecipeError(f"{recipe / needed} is missing; see recipes/shapes for a whole recipe")
    shared = {path.name for path in recipe.iterdir()} & {path.name for path in HANDLER.iterdir()}
    if shared:
        raise RecipeError(f"{recipe} holds {', '.join(sorted(shared))}, a name of the handler's; call it otherwise")


def _pack(recipe: Path, prepared: Path, version: str, folder: Path) -> Path:
    config = ModelArchiverConfig(
        model_name=recipe.name,
        version=version,
        handler=str(HANDLER / "vqa_handler.py"),
        extra_files=f"{HANDLER},{recipe},{prepared}",
        config_file=str(recipe / "model-config.yaml"),
        export_path=str(folder),
        archive_format="zip-store",  # weights do not deflate, and unpacking stalls TorchServe's connections
    )
    with _temporary_files_in(folder):
        try:
            ModelArchiver.generate_model_archive(config)
        except ModelArchiverError as error:
            raise RecipeError(str(error)) from None
    return folder / f"{recipe.name}.mar"


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Keep the archiver in a folder of ours: it empties ``<temp>/<model name>``, whoever that belongs to."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder / "staging")
    (folder / "staging").mkdir()
    try:
        yield
    finally:
        tempfile.tempdir = before


def _try(packed: Path, folder: Path, recipe: Path) -> None:
    """Load the archive as a worker would, from nothing but its own files, and ask its first sample."""
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    environment = {**os.environ, "PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1", "VQA_RUN": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "vqaops.building.worker"], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        reason = re.sub(r"^[\w.]*RecipeError: ", "", lines[-1]).replace(str(folder), str(recipe))
        raise RecipeError(f"the archive does not answer its first sample: {reason}")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
