"""What a peer's processes get to know through the environment, which every server passes on to its workers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

WORKERS = 2
"""Worker processes, each with the model and one torch thread, as in the recipes for a small machine."""
DELAY_MS = 10
"""How long a peer with batching may wait for more requests, as in the peers' own examples."""


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """One peer's settings.

    Attributes:
        recipe: The unpacked archive.
        model: The model's name in the route.
        port: Port on loopback.
        batch: The largest batch.
        ready: Folder in which each worker creates a file when it has loaded the model.
        eager: Whether transformers computes (`TransformersBaseline`), as the model's documentation shows.
    """

    recipe: Path
    model: str
    port: int
    batch: int
    ready: Path
    eager: bool = False

    @property
    def path(self) -> str:
        """TorchServe's route, so that all servers get the same requests."""
        return f"/predictions/{self.model}"

    def to_environment(self) -> dict[str, str]:
        """Return the variables for a peer's processes."""
        return {
            "PEER_RECIPE": str(self.recipe),
            "PEER_MODEL": self.model,
            "PEER_PORT": str(self.port),
            "PEER_BATCH": str(self.batch),
            "PEER_READY": str(self.ready),
            "PEER_EAGER": "1" if self.eager else "",
        }

    @classmethod
    def from_environment(cls) -> PeerSettings:
        """Read the settings in a peer's process."""
        given = os.environ
        return cls(
            Path(given["PEER_RECIPE"]),
            given["PEER_MODEL"],
            int(given["PEER_PORT"]),
            int(given["PEER_BATCH"]),
            Path(given["PEER_READY"]),
            bool(given["PEER_EAGER"]),
        )
