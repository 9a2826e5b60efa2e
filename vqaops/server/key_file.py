"""TorchServe's ``key_file.json``: made anew at each start, and at each renewal of a key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from vqaops.errors import ServerError


class NoKeys(ServerError):
    """There is no key file: no server, or one that is just starting."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The tokens of a server; read at each use, since they change while it runs."""

    path: Path

    def key(self, kind: str) -> str:
        """The token for ``inference`` or ``management``, or the ``API`` token that renews both.

        Raises:
            NoKeys: There is no key file.
            ServerError: It has no such key.
        """
        key: str = self._entry(kind)["key"]
        return key

    def seconds_left(self, kind: str) -> float:
        """How long the token lives; infinity for one that does not expire.

        Raises:
            ServerError: As ``key``.
        """
        until = self._entry(kind).get("expiration time")
        return (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() if until else float("inf")

    def write_header(self) -> None:
        """Write the inference token beside the file for ``curl -H @run/auth.header``, readable by the owner alone.

        Raises:
            ServerError: As ``key``.
        """
        header = self.path.with_name("auth.header")
        header.touch(mode=0o600)
        header.write_text(f"Authorization: Bearer {self.key('inference')}\n", encoding="utf-8")

    def _entry(self, kind: str) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = self._content()[kind]
            entry["key"]
        except FileNotFoundError:
            raise NoKeys(
                f"{self.path} is missing: the server is not running (start it: make serve), "
                "or its keys were deleted (start it anew: make stop serve)"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise ServerError(f"{self.path} holds no {kind} key; start the server again: make stop serve") from None
        return entry

    # TorchServe writes it in place: who reads at that moment finds half of it.
    @retry(retry=retry_if_exception_type(ValueError), stop=stop_after_attempt(4), wait=wait_fixed(0.05), reraise=True)
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return content
