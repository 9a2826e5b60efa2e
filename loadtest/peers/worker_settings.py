"""What a peer's processes are told, through the environment: servers that start workers hand on nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

WORKERS = 2
"""Processes that hold the model, of one torch thread each, as the recipes say for a small machine."""
DELAY_MS = 10
"""How long a peer that batches may wait for more requests: what the peers' own examples use."""


@dataclass(frozen=True, slots=True)
class Told:
    """One peer's orders.

    Attributes:
        recipe: The archive's own files.
        model: The name in the route.
        port: Of loopback.
        batch: The most requests that are computed together.
        ready: A folder in which each worker leaves a file when it has loaded the model.
    """

    recipe: Path
    model: str
    port: int
    batch: int
    ready: Path

    @property
    def path(self) -> str:
        """The route that TorchServe has, so that all get the very same requests."""
        return f"/predictions/{self.model}"

    def environment(self) -> dict[str, str]:
        """For the peer's processes."""
        return {
            "PEER_RECIPE": str(self.recipe),
            "PEER_MODEL": self.model,
            "PEER_PORT": str(self.port),
            "PEER_BATCH": str(self.batch),
            "PEER_READY": str(self.ready),
        }

    @classmethod
    def read(cls) -> Told:
        """In a peer's process."""
        given = os.environ
        return cls(
            Path(given["PEER_RECIPE"]),
            given["PEER_MODEL"],
            int(given["PEER_PORT"]),
            int(given["PEER_BATCH"]),
            Path(given["PEER_READY"]),
        )
