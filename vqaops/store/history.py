"""The history of a server's versions: one JSON line for each change, appended and never rewritten."""

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
from vqaserve.text_files import read_lines


class Change(BaseModel):
    """A change of what a server serves.

    Attributes:
        time: When it was made, in UTC.
        who: The account that ran the command.
        action: ``serve``, ``register``, ``refuse`` (a gate failed), ``promote``, ``rollback``, ``scale``, ``remove``,
            ``canary``, ``shadow``, and the end of these two.
        is_default: Whether the change made the version the default.
        figures: Results of gates, worker counts, reasons.
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
        """A change made now by this account."""
        return cls(
            time=datetime.now(UTC), who=_who(), action=action, model=model, version=version, sha256=sha256, **more
        )


def append(path: Path, change: Change) -> None:
    """Append a change; it is on the disk when this returns."""
    line = json.dumps(change.model_dump(mode="json")) + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Change]:
    """All changes, oldest first; none if there is no history yet.

    Raises:
        ServerError: A line is not a change.
        RecipeError: The file cannot be read.
    """
    changes = []
    for number, line in enumerate(read_lines(path) if path.exists() else [], 1):
        if not line.strip():
            continue
        try:
            changes.append(Change.model_validate_json(line))
        except ValidationError:
            raise ServerError(f"{path}:{number} is no change of scripts/models.py; remove that line") from None
    return changes


def defaults(changes: Sequence[Change], model: str) -> list[Change]:
    """The defaults that rollbacks can go back through, the present one last.

    A rollback removes the default that it left from the list, so that a second rollback goes further back.
    """
    stack: list[Change] = []
    for change in changes:
        if change.model != model or not change.is_default:
            continue
        if change.action == "rollback":
            while stack and not _same(stack[-1], change):
                stack.pop()
        if not stack or not _same(stack[-1], change):
            stack.append(change)
    return stack


def record_defaults(path: Path, before: State | None, after: State) -> None:
    """Record the defaults that a start changes, so that a rollback finds the previous ones."""
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
