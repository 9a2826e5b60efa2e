"""Settings written into a ``model-config.yaml``, whose comments stay."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vqaops.tuning.space import Candidate
from vqaserve.errors import RecipeError
from vqaserve.text_files import read_text


def write_settings(file: Path, candidate: Candidate) -> None:
    """Write a candidate's settings into a recipe's ``model-config.yaml``.

    Raises:
        RecipeError: The file cannot be read.
        OSError: The file cannot be written.
    """
    file.write_bytes(with_settings(read_text(file), candidate).encode())


def with_settings(text: str, candidate: Candidate) -> str:
    """Return the text of a ``model-config.yaml`` with a candidate's settings; comments and line ends stay.

    Raises:
        RecipeError: The text is not YAML 1.2.
    """
    yaml = YAML()  # keeps comments
    yaml.preserve_quotes = True
    yaml.width = 10_000  # wraps no line
    line_end = "\r\n" if "\r\n" in text else "\n"
    try:
        document: Any = yaml.load(text.replace("\r\n", "\n"))
    except YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(f"settings cannot be changed in this file, which is not YAML 1.2: {reason}") from None
    document["minWorkers"] = document["maxWorkers"] = candidate.workers
    document["batchSize"] = candidate.batch
    document["maxBatchDelay"] = candidate.delay
    document["handler"]["threads"] = candidate.threads
    document["handler"]["precision"] = candidate.precision
    written = StringIO()
    yaml.dump(document, written)
    return written.getvalue().replace("\n", line_end)
