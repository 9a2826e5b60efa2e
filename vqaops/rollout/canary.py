"""Canaries and shadows: the gateway sends a share of a model's requests to a version that is not the default."""

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
    """Send a share of the requests to a registered version, from the next request on.

    Raises:
        ServerError: No gateway runs, or the version is not registered, has no ready worker, or is the default.
    """
    if gateway.process() is None:
        raise ServerError(
            f"no gateway runs in {gateway.folder}, and TorchServe itself cannot divide requests between versions; "
            "start one: make gateway"
        )
    with locked(server.run):
        management = Management(server.client)
        version = management.version(name, route.version)
        if management.default(name) == route.version:
            raise ServerError(f"{name} {route.version} is already the default, and gets every request")
        if not version.ready:
            raise ServerError(
                f"{name} {route.version} has no ready worker; first: "
                f"scripts/models.py scale {name} --version {route.version}"
            )
        gateway.routes.set(name, route)
        _record(server, route.kind, name, route)


def end(server: Server, gateway: Gateway, name: str, version: str | None = None) -> Route | None:
    """End a model's canary or shadow: the default version gets every request again.

    Args:
        server: The server, in whose history the end is recorded.
        gateway: The gateway; it need not run, since routes outlive it.
        name: The model.
        version: End the route only if it leads to this version; None for any.

    Returns:
        The route that was ended, or None.
    """
    with locked(server.run):
        route = gateway.routes.all().get(name)
        if route is None or version not in {None, route.version}:
            return None
        gateway.routes.set(name, None)
        _record(server, f"end {route.kind}", name, route)
    return route


def _record(server: Server, action: str, name: str, route: Route) -> None:
    state = server.state()
    served = state.version(name, route.version) if state else None
    change = Change.now(
        action, name, route.version, served.sha256 if served else "", figures={"share": round(route.share, 6)}
    )
    history.append(server.history_file, change)
