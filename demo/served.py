"""What the server offers: models, versions, their tasks and their cards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.management import Management


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version that can answer.

    Attributes:
        model: The model's name.
        version: Its version.
        is_default: Whether it answers requests that name no version.
    """

    model: str
    version: str
    is_default: bool

    @property
    def key(self) -> str:
        """``NAME/VERSION``, as in the server's paths."""
        return f"{self.model}/{self.version}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.model} {self.version}" + ("" if self.is_default else " (not the default)")


@dataclass(frozen=True, slots=True)
class Description:
    """What a version says of itself.

    Attributes:
        task: Its task.
        card: Its model card in Markdown.
        limits: Its limits by name.
    """

    task: str
    card: str
    limits: dict[str, Any]


@dataclass(frozen=True)
class Served:
    """Asks the server's management address."""

    client: Client

    def versions(self) -> list[ServedVersion]:
        """The versions with a worker that is ready: by name, each model's default first; none if nothing answers."""
        management, found = Management(self.client), []
        try:
            for name in management.models():
                default = management.default(name)
                found += [
                    ServedVersion(name, one.version, one.version == default)
                    for one in management.versions(name)
                    if one.ready
                ]
        except (httpx.TransportError, ServerError):
            return []
        return sorted(found, key=lambda one: (one.model, not one.is_default, one.version))

    def describe(self, key: str) -> Description | None:
        """What a version says of itself; None if the server does not say."""
        name, _, version = key.partition("/")
        url = f"{self.client.addresses.management}/models/{quote(name, safe='')}/{quote(version, safe='')}"
        try:
            reply = self.client.http.get(
                url, params={"customized": "true"}, headers=self.client.header("management"), timeout=10
            )
            said = reply.json()[0]["customizedMetadata"]
            said = json.loads(said) if isinstance(said, str) else said
            return Description(said["task"], said["card"]["text"], said["limits"])
        except (httpx.HTTPError, ServerError, ValueError, LookupError, TypeError):
            return None
