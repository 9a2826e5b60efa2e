"""A worker without Java: an unpacked archive, loaded into this process by TorchServe's own loader."""

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
    """A worker's reply to one request of a batch."""

    status: int
    content_type: str | None
    body: bytes


class InProcessWorker:
    """Answers batches as a TorchServe worker does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @classmethod
    def load(cls, folder: Path) -> InProcessWorker:
        """Load an unpacked archive, whose folder must be on the import path.

        Raises:
            RecipeError: The handler refuses the archive's settings or files.
        """
        manifest = json.loads((folder / "MAR-INF" / "MANIFEST.json").read_text(encoding="utf-8"))["model"]
        return cls(TsModelLoader().load(manifest["modelName"], str(folder), manifest["handler"], None, 1))

    def predict(
        self, batch: Sequence[Mapping[str, object]], headers: Sequence[Mapping[str, object]] | None = None
    ) -> list[WorkerReply]:
        """Answer a batch.

        Args:
            batch: The fields of each request, as TorchServe decodes them.
            headers: The headers of each request; none by default.

        Returns:
            One reply for each request, in order.
        """
        context = self._service.context
        context.request_ids = {index: f"request-{index}" for index in range(len(batch))}
        context.request_processor = [RequestProcessor(dict(given)) for given in headers or [{}] * len(batch)]
        bodies = self._service._entry_point(list(batch), context)
        return [
            WorkerReply(context.get_response_status(index)[0], context.get_response_content_type(index), bytes(body))
            for index, body in enumerate(bodies)
        ]


def main() -> None:
    """Load the archive in the working directory, ask its first sample, and print the reply's body.

    A build runs this as ``python -m vqaops.building.worker`` in the unpacked archive, which then comes first on the
    import path, as in TorchServe's workers.
    """
    folder = Path.cwd()
    sample = read_samples(folder)[0]
    worker = InProcessWorker.load(folder)
    reply = worker.predict([{"image": sample.read_image(), **sample.form}])[0]
    (sys.stdout if reply.status == 200 else sys.stderr).write(reply.body.decode() + os.linesep)
    sys.exit(reply.status != 200)


if __name__ == "__main__":
    main()
