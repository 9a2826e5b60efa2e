"""The peers, and which of them are installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqaops.errors import ServerError


@dataclass(frozen=True)
class Peer:
    """Another model server.

    Attributes:
        title: Its name in the report.
        distribution: Its name on PyPI.
        module: The module of this package that serves with it.
        needs: What pip installs for it.
        environment: Variables for its processes.
        takes_archive: Whether it serves our archive as it is, and not only the model.
    """

    title: str
    distribution: str
    module: str
    needs: str = "-c constraints.txt -e '.[peers]'"
    environment: Mapping[str, str] = field(default_factory=dict)
    takes_archive: bool = False

    def find(self, pythons: Sequence[Path]) -> InstalledPeer | None:
        """Return the peer with the first interpreter that has it installed."""
        ask = f"from importlib.metadata import version; print(version({self.distribution!r}))"
        for python in pythons:
            done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return InstalledPeer(self, done.stdout.strip(), python)
        return None

    @property
    def advice(self) -> str:
        """How to install it."""
        return f"{self.title} is not installed and is left out; install it: .venv/bin/pip install {self.needs}"


@dataclass(frozen=True)
class InstalledPeer:
    """A peer, its version, and the interpreter that has it installed."""

    peer: Peer
    version: str
    python: Path


PEERS: Mapping[str, Peer] = {
    "fastapi": Peer("FastAPI", "fastapi", "on_fastapi"),
    "litserve": Peer("LitServe", "litserve", "on_litserve"),
    "mosec": Peer("mosec", "mosec", "on_mosec"),
    # Its versions of certifi and OpenTelemetry conflict with constraints.txt.
    "bentoml": Peer(
        "BentoML",
        "bentoml",
        "on_bentoml",
        "-e . bentoml, in a separate environment, and name its interpreter with --python",
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    "ray": Peer("Ray Serve", "ray", "on_ray", environment={"RAY_USAGE_STATS_ENABLED": "0"}),
    "deploy.ray": Peer(
        "ours (Ray Serve)", "ray", "archive_on_ray", "-c constraints.txt -e '.[ray]'", takes_archive=True
    ),
}
"""By the name on the command line."""


def find_peers(names: Sequence[str], pythons: Sequence[Path]) -> Iterator[Peer | InstalledPeer]:
    """Yield each peer with the interpreter that has it, or the peer alone if none has it.

    Args:
        names: Keys of ``PEERS``.
        pythons: Interpreters to look in after this one.

    Raises:
        ServerError: There is no such peer.
    """
    for name in names:
        if name not in PEERS:
            raise ServerError(f"there is no peer {name!r}; possible are: {', '.join(PEERS)}")
    for name in names:
        yield PEERS[name].find([Path(sys.executable), *pythons]) or PEERS[name]
