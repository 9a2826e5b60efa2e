"""A share of a model's requests for a version that is not the default: the gateway sends them, this tells it to."""

from __future__ import annotations

from vqaops.errors import ServerError
from vqaops.files import locked
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.routes import Route
from vqaops.server.management import Management
from vqaops.server.server import Server
from vqaops.store import history
from vqaops.store.history import Change


def start(server: Server, gateway: Gateway, name: str, route: Route) -> None:
    """Let a registered version meet a share of the requests, from the next one on.

    Raises:
        ServerError: No gateway runs, or the version is not registered, not ready, or the default anyway.
    """
    if gateway.process() is None:
        raise ServerError(
            f"no gateway runs in {gateway.folder}, and TorchServe itself cannot share requests between versions; "
            "start one: make gateway"
        )
    with locked(server.run):
        management = Management(server.client)
        version = management.version(name, route.version)
        if management.default(name) == route.version:
            raise ServerError(f"{name} {route.version} is the default already, and gets every request")
        if not version.ready:
            raise ServerError(
                f"{name} {route.version} has no worker that is ready; first: "
                f"scripts/models.py scale {name} --version {route.version}"
            )
        gateway.routes.set(name, route)
        _note(server, route.kind, name, route)


def end(server: Server, gateway: Gateway, name: str, version: str | None = None) -> Route | None:
    """Give all requests to the default version again, with ``version`` only if it was its; what has ended, or None."""
    with locked(server.run):
        return end_route(server, gateway, name, version)


def end_route(server: Server, gateway: Gateway, name: str, version: str | None = None) -> Route | None:
    """As `end`, for who holds the run folder's lock already.

    Args:
        server: Its history keeps the end.
        gateway: It need not run: a route outlives it.
        name: The model.
        version: End the route only if it leads to this version; None for any.

    Returns:
        What has ended, or None.
    """
    route = gateway.routes.all().get(name)
    if route is None or version not in {None, route.version}:
        return None
    gateway.routes.set(name, None)
    _note(server, f"end {route.kind}", name, route)
    return route


def _note(server: Server, action: str, name: str, route: Route) -> None:
    state = server.state()
    served = state.version(name, route.version) if state else None
    event = Change.now(
        action, name, route.version, served.sha256 if served else "", figures={"share": round(route.share, 6)}
    )
    history.append(server.history_file, event)
