"""A machine of a fleet: what is asked of it, and the one that runs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from vqaops.errors import ServerError
from vqaops.rollout.operations import Operations, Report
from vqaserve.errors import RecipeError

FAULTS = (ServerError, RecipeError, OSError)
"""What makes a machine's part of a change fail."""


class ListedVersion(BaseModel):
    """A version as ``models.py list --json`` says it; an empty sha256 means that it is not recorded."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    workers: int
    ready: int
    sha256: str


class ListedDefault(BaseModel):
    """A model's default version as ``models.py list --json`` says it; see `vqaops.rollout.defaults.Default`."""

    model_config = ConfigDict(frozen=True)

    version: str
    recorded: str | None
    previous: str | None


class Look(BaseModel):
    """What a machine serves.

    Attributes:
        versions: All versions of all models.
        defaults: Each model's default version.
        failed: Requests that got 5xx since the server's start; None if its metrics do not say.
    """

    model_config = ConfigDict(frozen=True)

    versions: tuple[ListedVersion, ...]
    defaults: Mapping[str, ListedDefault]
    failed: int | None = None

    def version(self, model: str, version: str) -> ListedVersion | None:
        """A registered version, or None."""
        return next((one for one in self.versions if (one.model, one.version) == (model, version)), None)

    def is_at(self, model: str, version: str) -> bool:
        """Whether a version is the model's default, and stays so after a restart."""
        default = self.defaults.get(model)
        return default is not None and default.version == default.recorded == version


class Machine(Protocol):
    """Operations on one machine of a fleet.

    Each but ``look`` returns a report whose fields are what ``models.py --json`` prints. Each raises one of `FAULTS` if
    the machine does not answer or refuses.
    """

    @property
    def name(self) -> str:
        """What reports call it."""

    def look(self) -> Look:
        """What it serves now."""

    def register(self, archive: Path, signers: Path | None, measures: bool) -> Report:
        """Serve an archive beside the running version."""

    def promote(self, model: str, version: str, force: bool) -> Report:
        """Make a version the default if it passes its gates; the report says whether it did."""

    def rollback(self, model: str, to: str) -> Report:
        """Make the previous default the default again, if it is this version."""

    def remove(self, model: str, version: str, patience: float, force: bool) -> Report:
        """Stop serving a version."""


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """A server on this machine.

    Attributes:
        name: What reports call it.
        operations: Operations on its versions.
    """

    name: str
    operations: Operations

    def look(self) -> Look:
        """What it serves now."""
        server = self.operations.rollout.server
        if server.process() is None:  # else the addresses of config.properties would be asked
            raise ServerError(f"no server is running in {server.run}; start it: serve.py resume")
        return Look.model_validate(self.operations.list().fields)

    def register(self, archive: Path, signers: Path | None, measures: bool) -> Report:
        """Serve an archive beside the running version."""
        return self.operations.register(archive, signers, measures)

    def promote(self, model: str, version: str, force: bool) -> Report:
        """Make a version the default if it passes its gates."""
        return self.operations.promote([model, version], force)

    def rollback(self, model: str, to: str) -> Report:
        """Make the previous default the default again."""
        return self.operations.rollback(model, to)

    def remove(self, model: str, version: str, patience: float, force: bool) -> Report:
        """Stop serving a version."""
        return self.operations.remove([model, version], patience, force)
