"""What was done to the versions of a server: one JSON line for each change, appended and never rewritten."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from vqaops.errors import ServerError
from vqaops.store.state import State


class Change(BaseModel):
    """One change.

    Attributes:
        time: When, in UTC.
        who: The account that ran the command.
        action: ``serve``, ``register``, ``refuse`` (a gate failed), ``promote``, ``rollback``, ``scale``, ``remove``,
            ``canary``, ``shadow``, and the end of these two.
        is_default: Whether the version has become the default by it.
        figures: What was measured or set: gates, worker counts, reasons.
    """

    model_config = ConfigDict(frozen=True)

    time: datetime
    who: str
    action: str
    model: str
    version: str
    sha256: str
    is_default: bool = False
    figures: dict[str, Any] = {}

    @classmethod
    def now(cls, action: str, model: str, version: str, sha256: str, **more: Any) -> Self:
        """An event of this moment and account."""
        return cls(
            time=datetime.now(UTC), who=_who(), action=action, model=model, version=version, sha256=sha256, **more
        )


def append(path: Path, event: Change) -> None:
    """Add an event; it is on the disk when this returns."""
    line = json.dumps(event.model_dump(mode="json")) + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Change]:
    """All events, oldest first; none where nothing was ever done.

    Raises:
        ServerError: A line is not an event.
    """
    if not path.exists():
        return []
    events = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            events.append(Change.model_validate_json(line))
        except ValidationError:
            raise ServerError(f"{path}:{number} is not an event of scripts/models.py; remove that line") from None
    return events


def defaults(events: Sequence[Change], model: str) -> list[Change]:
    """The defaults that a rollback can go back through, the present one last.

    A rollback takes the one it left off the list, so that a second one goes further back instead of to and fro.
    """
    stack: list[Change] = []
    for event in events:
        if event.model != model or not event.is_default:
            continue
        if event.action == "rollback":
            while stack and not _same(stack[-1], event):
                stack.pop()
        if not stack or not _same(stack[-1], event):
            stack.append(event)
    return stack


def note_defaults(path: Path, before: State | None, after: State) -> None:
    """Add the defaults that a start changes, so that a rollback finds the way back to those before."""
    for name, model in after.models.items():
        served = model.versions[model.default]
        if before is None or before.version(name, model.default) != served:
            append(path, Change.now("serve", name, model.default, served.sha256, is_default=True))


def _same(one: Change, other: Change) -> bool:
    return (one.version, one.sha256) == (other.version, other.sha256)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in many containers
        return f"uid {os.getuid()}"
