"""Settings written into a ``model-config.yaml`` whose comments stay."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from vqaops.tuning.space import Candidate


def with_settings(text: str, candidate: Candidate) -> str:
    """The file's text with a candidate's settings; everything else, comments too, stays as it is."""
    yaml = YAML()  # round trip
    yaml.preserve_quotes = True
    yaml.width = 10_000  # fold nothing
    document: Any = yaml.load(text)
    document["minWorkers"] = document["maxWorkers"] = candidate.workers
    document["batchSize"] = candidate.batch
    document["maxBatchDelay"] = candidate.delay
    document["handler"]["threads"] = candidate.threads
    document["handler"]["precision"] = candidate.precision
    written = StringIO()
    yaml.dump(document, written)
    return written.getvalue()
