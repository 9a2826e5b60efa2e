"""A model archive (``.mar``): its name, version, settings and samples, and whether the file is complete."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vqaops.questions import parse_questions
from vqaops.store import checksums
from vqaops.store.names import check_model_name, check_version
from vqaserve.choosing import CONTENT
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig
from vqaserve.text_files import decode
from vqaserve.yaml_files import parse_yaml, validate_settings

MANIFEST = "MAR-INF/MANIFEST.json"
_SETTINGS = "model-config.yaml"
_QUESTIONS = "samples/questions.jsonl"
# RuntimeError: encrypted, or packed by an unknown method.
_UNREADABLE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class ArchivedSample:
    """A sample of an archive: its picture, the form that asks about it, and the correct answers, the best first."""

    image: str
    picture: bytes
    form: Mapping[str, str]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished ``.mar``."""

    path: Path
    name: str
    version: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The archive in a file; name and version are those of its manifest.

        Raises:
            RecipeError: The file is missing, is not a complete archive, or has a name or version that is not allowed.
        """
        return cls(path, *_read_manifest(path, "fetch it again, or build it: scripts/build_mar.py recipes/<name>"))

    @property
    def sha256(self) -> str:
        """Hash of the file, hexadecimal."""
        return checksums.digest(self.path)

    @property
    def content_sha256(self) -> str:
        """Hash of all that the archive was built from, hexadecimal; empty if the build did not record it.

        Raises:
            RecipeError: The file is not a complete archive.
        """
        with _opened(self.path, self._advice) as archive:
            return archive.read(CONTENT).decode().strip() if CONTENT in archive.namelist() else ""

    @property
    def settings(self) -> ModelConfig:
        """The ``model-config.yaml`` in it, with this machine's workers and threads for ``auto``.

        Raises:
            RecipeError: It is missing, or does not validate.
        """
        with _opened(self.path, self._advice) as archive:
            source = f"{self.path}: {_SETTINGS}"
            content = parse_yaml(decode(archive.read(_SETTINGS), source), source)
            config = validate_settings(ModelConfig, content, source)
            weights = f"{config.handler.weights}/"
            return config.fitted(sum(one.file_size for one in archive.infolist() if one.filename.startswith(weights)))

    def samples(self) -> list[ArchivedSample]:
        """The sample questions, with their pictures.

        Raises:
            RecipeError: They are missing, or a line or a picture is faulty.
        """
        with _opened(self.path, self._advice) as archive:
            content = archive.read(_QUESTIONS)
            questions = parse_questions(content, f"{self.path}: {_QUESTIONS}", Path("samples"), need_answers=False)
            return [
                ArchivedSample(one.image.name, archive.read(one.image.as_posix()), one.form, one.answers)
                for one in questions
            ]

    def check(self) -> None:
        """Refuse a file that is not a complete archive.

        Raises:
            RecipeError: It is cut off, damaged, or holds another model or version than its name says.
        """
        found = _read_manifest(self.path, self._advice)
        if found != (self.name, self.version):
            raise RecipeError(f"{self.path} holds {' '.join(found)}; {self._advice}")

    @property
    def _advice(self) -> str:
        return f"delete it and build it again: scripts/build_mar.py recipes/{self.name}"


def _read_manifest(path: Path, advice: str) -> tuple[str, str]:
    """Name and version in the manifest of a file of which every member has been read."""
    with _opened(path, advice) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"damaged at {damaged}")
        model = json.loads(archive.read(MANIFEST))["model"]
        name, version = str(model["modelName"]), str(model["modelVersion"])
    return check_model_name(name), check_version(version)


@contextmanager
def _opened(path: Path, advice: str) -> Iterator[zipfile.ZipFile]:
    """The zip file; whatever makes it unreadable ends in a RecipeError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _UNREADABLE as error:
        raise RecipeError(f"{path} is not a complete archive ({error}); {advice}") from None
