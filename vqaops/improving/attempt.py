"""The folder of one attempt to improve a model. A step whose output is there is not done again."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from vqaops.files import replace_whole
from vqaops.paths import HANDLER
from vqaops.store.archive import Archive
from vqaops.yaml_edit import with_values
from vqaserve.errors import RecipeError
from vqaserve.families.rule import OPENVINO_FOLDER
from vqaserve.text_files import read_text

_BEGUN, _ENDED = "attempt.json", "report.json"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is improved, and where.

    Attributes:
        folder: Holds everything of the attempt.
        model: The model's name.
        base: The version that it starts from.
        version: The version that it makes.
    """

    folder: Path
    model: str
    base: str
    version: str

    @classmethod
    def unfinished(cls, work: Path, model: str) -> Self | None:
        """The attempt that was interrupted, if there is one.

        Raises:
            RecipeError: Its record cannot be read.
        """
        for begun in sorted((work / model).glob(f"*/{_BEGUN}")):
            if (begun.parent / _ENDED).exists():
                continue
            try:
                return cls(begun.parent, **json.loads(begun.read_text(encoding="utf-8")))
            except (TypeError, ValueError):
                raise RecipeError(f"{begun} is damaged; delete {begun.parent} to begin anew") from None
        return None

    @classmethod
    def begin(cls, work: Path, model: str, base: str, version: str) -> Self:
        """A new attempt, recorded in its folder."""
        attempt = cls(work / model / version, model, base, version)
        attempt.folder.mkdir(parents=True, exist_ok=True)
        record = {name: value for name, value in asdict(attempt).items() if name != "folder"}
        replace_whole(attempt.folder / _BEGUN, json.dumps(record) + "\n")
        return attempt

    @property
    def old_recipe(self) -> Path:
        """The recipe of the version that it starts from."""
        return self.folder / "base" / self.model

    @property
    def new_recipe(self) -> Path:
        """The recipe of the version that it makes."""
        return self.folder / "recipe" / self.model

    @property
    def feedback(self) -> Path:
        """The exported feedback."""
        return self.folder / "feedback"

    @property
    def state(self) -> Path:
        """What a training resumes from."""
        return self.folder / "state"

    def once(self, output: Path, make: Callable[[Path], object]) -> None:
        """Make an output folder, unless it is there; it appears as a whole or not at all.

        Args:
            output: The folder.
            make: Fills a new folder, which gets the output's name when it returns.
        """
        if output.exists():
            return
        partial = output.parent / f".{output.name}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        make(partial)
        partial.rename(output)

    def end(self, report: dict[str, Any]) -> None:
        """Record the result; the attempt is over."""
        replace_whole(self.folder / _ENDED, json.dumps(report, indent=2) + "\n")


def unpack_recipe(archive: Archive, recipe: Path) -> None:
    """Write the recipe that an archive was built from into an empty folder, without what its build computed."""
    handlers = {path.name for path in HANDLER.iterdir()} | {"MAR-INF", OPENVINO_FOLDER}
    with zipfile.ZipFile(archive.path) as packed:
        members = [name for name in packed.namelist() if name.partition("/")[0] not in handlers]
        packed.extractall(recipe, members)


def begin_recipe(old: Path, new: Path, version: str) -> None:
    """Copy a recipe into an empty folder, under another version."""
    shutil.copytree(old, new, dirs_exist_ok=True)
    config = new / "model-config.yaml"
    config.write_bytes(with_values(read_text(config), {"handler.version": version}).encode())


def next_version(versions: list[str]) -> str:
    """The version with the next higher MINOR, as for new weights, after the highest of some versions."""
    major, minor, _ = max(tuple(map(int, one.split("."))) for one in versions)
    return f"{major}.{minor + 1}.0"
