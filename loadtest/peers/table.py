"""Which peers there are, and which of them are installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """Another model server.

    Attributes:
        title: In the report.
        distribution: On PyPI.
        module: Of this package; run, it serves what ``Told.read`` says.
        needs: What pip installs for it.
        environment: What its processes get beside the rest.
    """

    title: str
    distribution: str
    module: str
    needs: str = "-c constraints.txt -e '.[peers]'"
    environment: Mapping[str, str] = field(default_factory=dict)

    def installed(self, pythons: Sequence[Path]) -> Installed | None:
        """With the first interpreter that has it."""
        ask = f"from importlib.metadata import version; print(version({self.distribution!r}))"
        for python in pythons:
            said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
            if said.returncode == 0:
                return Installed(self, said.stdout.strip(), python)
        return None

    @property
    def advice(self) -> str:
        """For who lacks it."""
        return f"{self.title} is not installed and left out; .venv/bin/pip install {self.needs}"


@dataclass(frozen=True)
class Installed:
    """A peer with the interpreter that has it."""

    peer: Peer
    version: str
    python: Path


PEERS: Mapping[str, Peer] = {
    "fastapi": Peer("FastAPI", "fastapi", "on_fastapi"),
    "litserve": Peer("LitServe", "litserve", "on_litserve"),
    "mosec": Peer("mosec", "mosec", "on_mosec"),
    # certifi and OpenTelemetry of other versions than in constraints.txt: an environment of its own.
    "bentoml": Peer(
        "BentoML",
        "bentoml",
        "on_bentoml",
        "-e . bentoml, in an environment of its own, and name its interpreter with --python",
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    "ray": Peer("Ray Serve", "ray", "on_ray", environment={"RAY_USAGE_STATS_ENABLED": "0"}),
}
"""By the name on the command line."""

HERE = Path(sys.executable)
