"""An unpacked archive loaded by TorchServe's own loader, in this process: a worker without the Java around it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ts.context import RequestProcessor
from ts.model_loader import TsModelLoader
from ts.service import Service

from vqaops.questions import read_samples


@dataclass(frozen=True, slots=True)
class WorkerReply:
    """What a worker hands back for one request of a batch."""

    status: int
    content_type: str | None
    body: bytes


class Worker:
    """Answers batches as a TorchServe worker does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @classmethod
    def load(cls, folder: Path) -> Worker:
        """Load an unpacked archive; its root must be importable, as it is in a worker.

        Raises:
            RecipeError: The archive's handler refuses what it found.
        """
        manifest = json.loads((folder / "MAR-INF" / "MANIFEST.json").read_text(encoding="utf-8"))["model"]
        return cls(TsModelLoader().load(manifest["modelName"], str(folder), manifest["handler"], None, 1))

    def predict(
        self, batch: Sequence[Mapping[str, object]], headers: Sequence[Mapping[str, object]] | None = None
    ) -> list[WorkerReply]:
        """One reply for each request of a batch; a request is its fields, as TorchServe decodes them."""
        context = self._service.context
        context.request_ids = {index: f"request-{index}" for index in range(len(batch))}
        context.request_processor = [RequestProcessor(dict(given)) for given in headers or [{}] * len(batch)]
        bodies = self._service._entry_point(list(batch), context)
        return [
            WorkerReply(context.get_response_status(index)[0], context.get_response_content_type(index), bytes(body))
            for index, body in enumerate(bodies)
        ]


def main() -> None:
    """Load the archive in the working directory and ask its first sample: ``python -m vqaops.building.worker``.

    Prints the reply's body. ``build_mar`` runs this in a process of its own, in which, as in TorchServe's
    workers, the unpacked archive comes first on the import path.
    """
    folder = Path.cwd()
    sample = read_samples(folder)[0]
    worker = Worker.load(folder)
    reply = worker.predict([{"image": sample.read_image(), "question": sample.text}])[0]
    (sys.stdout if reply.status == 200 else sys.stderr).write(reply.body.decode() + os.linesep)
    sys.exit(reply.status != 200)


if __name__ == "__main__":
    main()
