"""TorchServe's ``key_file.json``, which holds its tokens: written at each start and at each renewal of a token."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from vqaops.errors import ServerError
from vqaops.files import replace_whole

_TOKEN = re.compile(r"[\x21-\x7e]+")


class NoTokens(ServerError):
    """There is no key file: no server runs, or it is just starting."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The tokens of a server; read at each use, since they change while it runs."""

    path: Path

    def token(self, kind: str) -> str:
        """The token for ``inference`` or ``management``, or the ``API`` token that renews both.

        Raises:
            NoTokens: There is no key file.
            ServerError: The file cannot be read, or holds no such token.
        """
        token: str = self._entry(kind)["key"]
        return token

    def seconds_left(self, kind: str) -> float:
        """Seconds until the token expires; infinity if it does not expire.

        Raises:
            ServerError: As ``token``.
        """
        until = self._entry(kind).get("expiration time")
        if not until:
            return float("inf")
        try:
            return (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            raise ServerError(
                f"{self.path}: {until!r:.60} is not the time at which the {kind} token expires; restart the server: "
                "make stop serve"
            ) from None

    def write_header(self) -> None:
        """Write the inference token to ``auth.header`` beside the file, for ``curl -H @run/auth.header``; mode 0600.

        Raises:
            ServerError: As ``token``; or the header cannot be written, as on a full disk.
        """
        header = self.path.with_name("auth.header")
        text = f"Authorization: Bearer {self.token('inference')}\n"
        try:
            replace_whole(header, text, 0o600)  # at a renewal, curl finds the old token or the new one, never half
        except OSError as error:
            raise ServerError(f"{header} cannot be written: {error.strerror}") from None

    def _entry(self, kind: str) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = self._content()[kind]
            if not _TOKEN.fullmatch(entry["key"]):
                raise ValueError("a header cannot hold it")
        except FileNotFoundError:
            raise NoTokens(
                f"{self.path} is missing: the server is not running (start it: make serve), "
                "or its tokens were deleted (restart it: make stop serve)"
            ) from None
        except OSError as error:
            raise ServerError(f"{self.path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ServerError(f"{self.path} holds no {kind} token; restart the server: make stop serve") from None
        return entry

    # TorchServe writes the file in place: a reader may find half of it.
    @retry(retry=retry_if_exception_type(ValueError), stop=stop_after_attempt(4), wait=wait_fixed(0.05), reraise=True)
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return content
