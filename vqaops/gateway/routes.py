"""Canary and shadow routes: which requests go to a version other than the default.

The routes are in one small file, which nginx reads on each request (``deploy/gateway/gateway.js``). The file survives
restarts of nginx and TorchServe.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from vqaops.errors import ServerError
from vqaops.files import replace_whole

Kind = Literal["canary", "shadow"]


@dataclass(frozen=True, slots=True)
class Route:
    """Sends a share of a model's requests to one of its versions.

    Attributes:
        version: The version.
        share: The share of requests, in (0, 1].
        kind: A ``canary`` answers the requests. A ``shadow`` gets a copy of them, and its answers are dropped.
    """

    version: str
    share: Annotated[float, Field(gt=0, le=1)]
    kind: Kind


_ROUTES = TypeAdapter(dict[str, Route])


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes in a file, by model."""

    file: Path

    def all(self) -> dict[str, Route]:
        """The route of each model that has one; the default version answers for all others.

        Raises:
            ServerError: The file cannot be read.
        """
        try:
            return _ROUTES.validate_json(self.file.read_bytes())
        except FileNotFoundError:
            return {}
        except ValidationError:
            raise ServerError(f"{self.file} is not a file of routes; remove it, and set the canaries again") from None

    def set(self, model: str, route: Route | None) -> None:
        """Set or remove a model's route, from the next request on.

        Raises:
            ServerError: The file cannot be read.
        """
        routes = {**self.all(), model: route}
        kept = {name: asdict(one) for name, one in routes.items() if one}
        replace_whole(self.file, json.dumps(kept, indent=1))
