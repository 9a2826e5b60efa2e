"""Which requests meet another version than the default one: canaries and shadows.

One small file, which nginx reads at each request (deploy/gateway/gateway.js) and which outlives restarts of either.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vqaops.files import replace_whole

Kind = Literal["canary", "shadow"]


@dataclass(frozen=True, slots=True)
class Route:
    """A share of a model's requests, in (0, 1], for one of its versions.

    A ``canary`` answers them; a ``shadow`` is asked as well, and its answer dropped.
    """

    version: str
    share: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes in a file, by model."""

    file: Path

    def all(self) -> dict[str, Route]:
        """Each model's route; models without one are all the default version's."""
        try:
            given = json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {model: Route(**route) for model, route in given.items()}

    def set(self, model: str, route: Route | None) -> None:
        """Put a model's route in place, or end it; it holds from the next request on."""
        routes = {**self.all(), model: route}
        kept = {name: asdict(one) for name, one in routes.items() if one}
        replace_whole(self.file, json.dumps(kept, indent=1))
