"""Archives in the model store, under the one name by which a version can be found again."""

from __future__ import annotations

import shutil
from pathlib import Path

from vqaops.store.archive import Archive
from vqaops.store.history import Change
from vqaserve.errors import RecipeError


def place(archive: Archive, store: Path) -> tuple[Archive, bool]:
    """The archive in the model store, and whether it was put there just now, as a whole.

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
    """The archive that was served then.

    Raises:
        RecipeError: It is gone, or another one.
    """
    archive = Archive(store / f"{event.model}-{event.version}.mar", event.model, event.version)
    if not archive.path.exists() or archive.sha256 != event.sha256:
        raise RecipeError(
            f"{archive.path} is {'another archive now' if archive.path.exists() else 'gone'}; put back the one with "
            f"sha256 {event.sha256}"
        )
    return archive
