"""Archives in the model store, each under the name ``<model>-<version>.mar``."""

from __future__ import annotations

import shutil
from pathlib import Path

from vqaops.errors import ServerError
from vqaops.store.archive import Archive
from vqaops.store.history import Change
from vqaops.store.state import ServedVersion
from vqaserve.errors import RecipeError


def place(archive: Archive, store: Path) -> tuple[Archive, bool]:
    """Copy an archive into the model store, unless the store has it.

    Returns:
        The archive in the store, and whether it was copied.

    Raises:
        RecipeError: The store has another archive of this version.
    """
    placed = Archive(store / f"{archive.name}-{archive.version}.mar", archive.name, archive.version)
    if placed.path == archive.path:
        return placed, False
    if placed.path.exists():
        if placed.sha256 == archive.sha256:
            return placed, False
        raise RecipeError(
            f"{placed.path} is another {archive.name} {archive.version}; a version has one content: give the new one a "
            "higher `handler: version:` in its model-config.yaml and build it again"
        )
    partial = store / f".registering-{placed.path.name}"
    try:
        shutil.copyfile(archive.path, partial)
        partial.replace(placed.path)
    finally:
        partial.unlink(missing_ok=True)
    return placed, True


def find_again(store: Path, event: Change) -> Archive:
    """The archive that a change of the history names.

    Raises:
        RecipeError: It is missing, or has other content.
    """
    archive = Archive(store / f"{event.model}-{event.version}.mar", event.model, event.version)
    if not _has_content(archive, event.sha256):
        raise RecipeError(
            f"{archive.path} {'has other content' if archive.path.exists() else 'is missing'}; restore the one with "
            f"sha256 {event.sha256}"
        )
    return archive


def find_registered(store: Path, name: str, version: str, served: ServedVersion) -> Archive:
    """The archive of a version that a server has: its workers run what was registered, and gates read the file.

    Raises:
        ServerError: It is missing, or was built again.
    """
    archive = Archive(store / served.archive, name, version)
    if not _has_content(archive, served.sha256):
        raise ServerError(
            f"{archive.path} {'was built again' if archive.path.exists() else 'is missing'} since {name} {version} was "
            f"registered; restore the one with sha256 {served.sha256}, or: scripts/models.py remove {name} {version}, "
            "then register the new one"
        )
    return archive


def _has_content(archive: Archive, sha256: str) -> bool:
    return archive.path.exists() and archive.sha256 == sha256
