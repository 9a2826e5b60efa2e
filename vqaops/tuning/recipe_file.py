"""Settings written into a ``model-config.yaml``, whose comments stay."""

from __future__ import annotations

from pathlib import Path

from vqaops.tuning.space import Candidate
from vqaops.yaml_edit import with_values
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
    return with_values(
        text,
        {
            "minWorkers": candidate.workers,
            "maxWorkers": candidate.workers,
            "batchSize": candidate.batch,
            "maxBatchDelay": candidate.delay,
            "handler.threads": candidate.threads,
            "handler.precision": candidate.precision,
        },
    )
