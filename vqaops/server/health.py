"""Whether a server is live and ready, and if not, why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.key_file import KeyFile
from vqaops.server.management import Management, RegisteredVersion


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """The state of a model's default version, or the name of a model that is not registered.

    Attributes:
        version: None if the model is not registered.
        workers: Number of workers in each of TorchServe's states.
        wanted: Number of workers that TorchServe keeps.
        pending: Requests in the queue.
    """

    name: str
    version: str | None = None
    workers: dict[str, int] | None = None
    wanted: int = 0
    pending: int = 0

    @property
    def fault(self) -> str | None:
        """Why the model cannot answer; None if it can."""
        if self.version is None:
            return f"model {self.name} is not registered; register it (docs/how-to/versions.md) or serve it: make serve"
        if (self.workers or {}).get("READY"):
            return None
        states = ", ".join(f"{count} {state}" for state, count in (self.workers or {}).items()) or "no worker"
        return f"model {self.name} {self.version} has no worker READY; of {self.wanted} wanted: {states}"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a server.

    Attributes:
        live: Whether the server answers; one that does not should be restarted.
        ready: Whether each model that was asked for can answer and the inference token is valid. Only a ready server
            should get requests.
        reasons: Why the server is not ready; empty if it is.
        models: The models that were checked.
    """

    live: bool
    ready: bool
    reasons: tuple[str, ...] = ()
    models: tuple[ModelHealth, ...] = ()


def examine(client: Client, names: list[str]) -> Health:
    """Check a server.

    TorchServe's ``/ping`` alone says only that Java runs: it answers 200 while models load and while workers crash.

    Args:
        client: A client of the server.
        names: Models that must be able to answer; if empty, all that are registered, and at least one must be.
    """
    ping = f"{client.addresses.inference}/ping"
    try:
        client.http.get(ping)
    except httpx.TransportError as error:
        return Health(False, False, (f"{ping} does not answer ({error}); is the server running? make serve",))
    try:
        models = tuple(_models(Management(client), names))
        reasons = [model.fault for model in models if model.fault]
        if KeyFile(client.key_file).seconds_left("inference") <= 0:
            reasons.append("the inference token has expired; renew it: scripts/tokens.py rotate inference")
    except ServerError as error:
        return Health(True, False, (str(error),))
    if not models:
        reasons.append("no model is registered; register one (docs/how-to/versions.md) or serve one: make serve")
    return Health(True, not reasons, tuple(reasons), models)


def _models(management: Management, names: list[str]) -> list[ModelHealth]:
    registered = management.models()
    return [
        _health(management.version(name, management.default(name))) if name in registered else ModelHealth(name)
        for name in names or registered
    ]


def _health(version: RegisteredVersion) -> ModelHealth:
    states = dict(Counter(worker.status for worker in version.workers))
    return ModelHealth(version.name, version.version, states, version.min_workers, version.pending)
