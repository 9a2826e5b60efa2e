"""A model archive (``.mar``): what it is called, what it holds, and whether it is whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from vqaops.questions import parse_questions
from vqaops.store import checksums
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig

_QUESTIONS = "samples/questions.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """A question that the recipe ships, and the answers that people gave; the first of them counts."""

    image: str
    picture: bytes
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished ``.mar``."""

    path: Path
    name: str
    version: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The archive in a file, by what its manifest says.

        Raises:
            RecipeError: The file is missing, or not a whole archive.
        """
        model = _manifest(path, "fetch it again, or build it: scripts/build_mar.py recipes/<name>")
        return cls(path, model["modelName"], model["modelVersion"])

    @property
    def sha256(self) -> str:
        """Of the file, hexadecimal."""
        return checksums.digest(self.path)

    @property
    def settings(self) -> ModelConfig:
        """The ``model-config.yaml`` in it.

        Raises:
            RecipeError: There is none, or it is one of another handler's.
        """
        with self._opened() as archive:
            return ModelConfig.parse(yaml.safe_load(archive.read("model-config.yaml")))

    def samples(self) -> list[Sample]:
        """The questions and pictures that the recipe ships.

        Raises:
            RecipeError: There are none, or a line or a picture of them is faulty.
        """
        with self._opened() as archive:
            content = archive.read(_QUESTIONS)
            questions = parse_questions(content, f"{self.path}: {_QUESTIONS}", Path("samples"))
            return [
                Sample(one.image.name, archive.read(one.image.as_posix()), one.text, one.answers) for one in questions
            ]

    def check(self) -> None:
        """Refuse a file that is not a whole archive.

        Raises:
            RecipeError: It is cut off, damaged, or holds another model than its name says.
        """
        advice = f"delete it and build it again: scripts/build_mar.py recipes/{self.name}"
        model = _manifest(self.path, advice)
        if (model["modelName"], model["modelVersion"]) != (self.name, self.version):
            raise RecipeError(f"{self.path} holds {model['modelName']} {model['modelVersion']}; {advice}")

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, yaml.YAMLError) as error:
            raise RecipeError(
                f"{self.path} is not an archive of scripts/build_mar.py ({error}); build it from its recipe"
            ) from None


def _manifest(path: Path, advice: str) -> dict[str, Any]:
    """The manifest's model, of a file whose every member has been read."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            model: dict[str, Any] = json.loads(archive.read("MAR-INF/MANIFEST.json"))["model"]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise RecipeError(f"{path} is not a whole archive ({error}); {advice}") from None
    if damaged:
        raise RecipeError(f"{path} is damaged at {damaged}; {advice}")
    return model
