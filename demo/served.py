"""What the server offers: models, versions, their tasks and their cards."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.descriptions import Description, describe
from vqaops.server.management import Management

_SECONDS = 2
"""Time for a version to say its task; a person waits for the list."""


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version that can answer.

    Attributes:
        model: The model's name.
        version: Its version.
        is_default: Whether it answers requests that name no version.
        task: Its task; empty if it has not said so in time.
    """

    model: str
    version: str
    is_default: bool
    task: str

    @property
    def key(self) -> str:
        """``NAME/VERSION``, as in the server's paths."""
        return f"{self.model}/{self.version}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.model} {self.version}" + ("" if self.is_default else " (not the default)")


@dataclass(frozen=True)
class Served:
    """Asks the server's management address.

    Attributes:
        client: The server's client.
        tasks: The tasks of the versions that have said theirs; they never change.
    """

    client: Client
    tasks: dict[str, str] = field(default_factory=dict)

    def versions(self) -> list[ServedVersion]:
        """The versions with a worker that is ready: by name, each model's default first; none if nothing answers."""
        management, found = Management(self.client), []
        try:
            for name in management.models():
                default = management.default(name)
                found += [
                    ServedVersion(name, one.version, one.version == default, self._task(f"{name}/{one.version}"))
                    for one in management.versions(name)
                    if one.ready
                ]
        except (httpx.TransportError, ServerError):
            return []
        return sorted(found, key=lambda one: (one.model, not one.is_default, one.version))

    def describe(self, key: str) -> Description | None:
        """What a version says of itself; None if the server does not say."""
        return describe(self.client, key)

    def _task(self, key: str) -> str:
        if key not in self.tasks and (said := describe(self.client, key, _SECONDS)):
            self.tasks[key] = said.task
        return self.tasks.get(key, "")
