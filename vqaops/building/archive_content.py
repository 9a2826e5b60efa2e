"""What goes into an archive: its files, and a hash of everything that decides what they are."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vqaops.paths import HANDLER
from vqaops.store import checksums
from vqaserve.errors import RecipeError
from vqaserve.families import is_prepared
from vqaserve.settings import HandlerSettings

PREPARING_LIBRARIES = ("numpy", "openvino", "torch", "transformers")
"""Libraries whose version decides what ``vqaserve.families.prepare`` writes."""
_BUILD = Path(__file__).resolve().parent
_JUNK = frozenset({"__pycache__", "__MACOSX", "Thumbs.db", "desktop.ini"})
_JUNK_ENDINGS = (".pyc", ".pyo", "~")


@dataclass(frozen=True, slots=True)
class Content:
    """The content of an archive before anything is prepared for it.

    Attributes:
        files: The file for each name in the archive.
        sha256: Hash of the files' names and bytes, of the model's name, of the code that builds, and of the versions of
            the libraries that prepare files; hexadecimal. Times do not count.
    """

    files: Mapping[str, Path]
    sha256: str

    @classmethod
    def of(cls, recipe: Path, settings: HandlerSettings) -> Content:
        """The content of a recipe's archive.

        Args:
            recipe: The recipe's folder; its name is the model's.
            settings: Its ``handler:`` section.

        Raises:
            RecipeError: A file cannot be packed, or has the name of one of the handler's.
        """
        reserved = {"MAR-INF", *(path.name for path in HANDLER.iterdir() if not _is_junk(path.name))}
        if shared := reserved & {path.name for path in recipe.iterdir()}:
            raise RecipeError(f"{recipe} holds {', '.join(sorted(shared))}, a name of the handler's; rename it")
        files = {**files_in(HANDLER), **files_in(recipe)}
        build = {"name": recipe.name, "libraries": _libraries(settings), "code": _hashes(files_in(_BUILD))}
        text = json.dumps({"build": build, "files": _hashes(files)}, sort_keys=True)
        return cls(files, hashlib.sha256(text.encode()).hexdigest())


def files_in(folder: Path) -> dict[str, Path]:
    """The files of a folder that belong into an archive, by their paths in it, sorted; links are followed.

    Left out are hidden files, and what operating systems, editors and Python leave behind.

    Raises:
        RecipeError: A link leads nowhere or back to a folder above it, a file is not a regular one, or a name is not
            UTF-8, as zip files need.
    """
    return dict(sorted((path.relative_to(folder).as_posix(), path) for path in _walk(folder, ())))


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    real = folder.resolve()
    if real in above:
        raise RecipeError(f"{folder} is a link to a folder above it; remove the link")
    for path in folder.iterdir():
        if _is_junk(path.name):
            continue
        try:
            path.name.encode()
            mode = path.stat().st_mode
        except UnicodeEncodeError:
            raise RecipeError(f"{os.fsencode(path)!r} is not a UTF-8 name; rename the file") from None
        except OSError as error:
            raise RecipeError(f"{path} cannot be packed: {error.strerror}; remove it") from None
        if stat.S_ISDIR(mode):
            yield from _walk(path, (*above, real))
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise RecipeError(f"{path} is neither a file nor a folder; remove it")


def _is_junk(name: str) -> bool:
    is_backup = name.startswith("#") and name.endswith("#")
    return name.startswith(".") or name in _JUNK or name.endswith(_JUNK_ENDINGS) or is_backup


def _hashes(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: checksums.digest(path) for name, path in files.items()}


def _libraries(settings: HandlerSettings) -> dict[str, str]:
    return {name: _version(name) for name in PREPARING_LIBRARIES} if is_prepared(settings) else {}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
