"""The default version of each model: the one that answers, the one that is recorded, and the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqaops.errors import ServerError
from vqaops.server.management import Management
from vqaops.server.server import Server
from vqaops.store import history
from vqaops.store.history import Change
from vqaops.store.state import State


@dataclass(frozen=True, slots=True)
class Default:
    """A model's default version.

    Attributes:
        version: The version that answers requests that name none.
        recorded: The version that is the default after a restart; None if the model was registered by other means.
            It differs from ``version`` after a command that was killed, or a change by other means.
        previous: The version that a rollback leads to; None if there is none.
    """

    version: str
    recorded: str | None
    previous: str | None


def defaults(server: Server, state: State | None) -> dict[str, Default]:
    """The default version of each model of a running server, by the model's name.

    Args:
        server: The server.
        state: Its ``state()``.

    Raises:
        ServerError: The server does not answer, or its history cannot be read.
    """
    management, changes = Management(server.client), history.read(server.history_file)
    found = {}
    for name in management.models():
        version = management.default(name)
        recorded = state.default(name) if state else None
        previous = rollback_target(changes, name, version, recorded)
        found[name] = Default(version, recorded, previous.version if previous else None)
    return found


def rollback_target(changes: Sequence[Change], name: str, current: str, recorded: str | None) -> Change | None:
    """The default that a rollback leads to; None if there is none.

    A rollback that was killed after it had set the default, and before it was recorded, is to be done again, not to be
    followed by a second one.

    Args:
        changes: The history, oldest first.
        name: The model.
        current: The version that answers.
        recorded: The default in the server's state.
    """
    stack = history.defaults(changes, name)
    if current != recorded:
        last = next((one for one in reversed(changes) if one.model == name and one.is_default), None)
        if last and last.action == "rollback" and last.version == current:
            return last  # it is in the history, and not yet in the state
        if [one.version for one in stack[-2:]] == [current, recorded]:
            return stack[-2]
    while stack and stack[-1].version == current:
        stack.pop()
    return stack[-1] if stack else None


def checked_target(server: Server, name: str, current: str, recorded: str | None, to: str | None) -> Change:
    """The default that a rollback leads to, as of `rollback_target`.

    Raises:
        ServerError: There is none, or it is another version than ``to``, unless that is None.
    """
    target = rollback_target(history.read(server.history_file), name, current, recorded)
    if target is None:
        raise ServerError(f"{name} {current} is the first default in {server.history_file}")
    if to not in {None, target.version}:
        raise ServerError(f"the default of {name} before {current} was {target.version}, not {to}")
    return target
