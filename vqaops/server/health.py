"""Whether a server lives and can answer, and why not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.key_file import KeyFile
from vqaops.server.management import Management, Version


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """A model's default version, or the name of one that is missing.

    Attributes:
        version: None where the model is not registered.
        workers: How many are in each of TorchServe's states.
        wanted: How many there should be.
        pending: Requests that wait.
    """

    name: str
    version: str | None = None
    workers: dict[str, int] | None = None
    wanted: int = 0
    pending: int = 0

    @property
    def fault(self) -> str | None:
        """Why it cannot answer."""
        if self.version is None:
            return f"model {self.name} is not registered; register it (docs/operations.md), or start it: make serve"
        if (self.workers or {}).get("READY"):
            return None
        states = ", ".join(f"{count} {state}" for state, count in (self.workers or {}).items()) or "there is none"
        return f"model {self.name} {self.version} has no worker READY of {self.wanted} wanted: {states}"


@dataclass(frozen=True, slots=True)
class Health:
    """A server's state in one answer.

    Attributes:
        live: The server answers; one that does not should be started again.
        ready: Each model that is asked for can answer, and clients' tokens are good; send it requests only then.
        reasons: Why not; empty where it is ready.
        models: What was looked at.
    """

    live: bool
    ready: bool
    reasons: tuple[str, ...] = ()
    models: tuple[ModelHealth, ...] = ()


def examine(client: Client, names: list[str]) -> Health:
    """Look at a server.

    TorchServe's own ``/ping`` says only that Java runs: it is 200 while models load, and while their workers crash.

    Args:
        client: Its addresses and keys.
        names: Models that must be able to answer; none: all that are registered, and there must be one.
    """
    ping = f"{client.addresses.inference}/ping"
    try:
        client.http.get(ping)
    except httpx.TransportError as error:
        return Health(False, False, (f"{ping} does not answer ({error}); start the server: make serve",))
    try:
        models = tuple(_models(Management(client), names))
        reasons = [model.fault for model in models if model.fault]
        if KeyFile(client.key_file).seconds_left("inference") <= 0:
            reasons.append("the inference token has expired: clients are refused; scripts/tokens.py rotate inference")
    except ServerError as error:
        return Health(True, False, (str(error),))
    if not models:
        reasons.append("no model is registered; register one (docs/operations.md), or start one: make serve")
    return Health(True, not reasons, tuple(reasons), models)


def _models(management: Management, names: list[str]) -> list[ModelHealth]:
    registered = management.models()
    return [
        _health(management.version(name, management.default(name))) if name in registered else ModelHealth(name)
        for name in names or registered
    ]


def _health(version: Version) -> ModelHealth:
    states = dict(Counter(worker.status for worker in version.workers))
    return ModelHealth(version.name, version.version, states, version.min_workers, version.pending)
