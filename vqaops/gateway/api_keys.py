"""The gateway's API keys: a folder with one file per key, named by the key's SHA-256.

nginx looks up the file on each request (``deploy/gateway/gateway.js``). A key is valid from the moment its file exists
until the file is removed; no reload is needed. Several gateways may share the folder.

A key is 256 random bits and cannot be found by trial, so a plain SHA-256 is enough. Salts and slow hashes protect
passwords that people choose. Reading the folder reveals no key.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vqaops.errors import ServerError

PREFIX = "vqa_"
"""Lets secret scanners of repositories and logs recognise a leaked key."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is stored about a key.

    Attributes:
        name: The owner's name, which the access log shows and the limits apply to.
        created: ISO 8601 time in UTC.
        digest: SHA-256 of the key, hexadecimal.
    """

    name: str
    created: str
    digest: str


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys in a folder."""

    folder: Path

    def add(self, name: str) -> str:
        """Create a key and return it. The key itself is not stored, so this is the only time it is shown.

        Raises:
            ServerError: The name is invalid or taken, or the folder cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise ServerError(
                f"{name!r} is not a valid key name; use at most 63 of a-z, 0-9, '.', '_' and '-', and begin with a "
                "letter or digit"
            )
        if any(key.name == name for key in self.entries()):
            raise ServerError(
                f"a key named {name} exists; revoke it (scripts/keys.py revoke {name}), or add {name}-2 and revoke "
                f"{name} when all clients use the new key"
            )
        key = PREFIX + secrets.token_urlsafe(32)
        entry = {"name": name, "created": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")  # mode 0600
            with os.fdopen(handle, "w") as file:
                json.dump(entry, file)
            Path(temporary).replace(self.folder / digest_of(key))
        except OSError as error:
            raise ServerError(f"the key cannot be stored in {self.folder}: {error.strerror}") from None
        return key

    def entries(self) -> list[ApiKey]:
        """All keys, sorted by name.

        Raises:
            ServerError: The folder or one of its files cannot be read.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise ServerError(f"{self.folder} is a file; the gateway's keys are in a folder")
        files = [path for path in self.folder.glob("*") if _DIGEST.fullmatch(path.name)]
        return sorted((_read(path) for path in files), key=lambda key: key.name)

    def revoke(self, name: str) -> None:
        """Refuse a key from the next request on. Requests that are already being answered complete.

        Raises:
            ServerError: No key has this name.
        """
        keys = self.entries()
        revoked = [key for key in keys if key.name == name]
        if not revoked:
            known = ", ".join(key.name for key in keys) or "none"
            raise ServerError(f"no key is named {name!r}; existing keys: {known}")
        for key in revoked:
            (self.folder / key.digest).unlink(missing_ok=True)


def digest_of(key: str) -> str:
    """The name of a key's file."""
    return hashlib.sha256(key.encode()).hexdigest()


def _read(path: Path) -> ApiKey:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        return ApiKey(str(entry["name"]), str(entry["created"]), path.name)
    except OSError as error:
        raise ServerError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ServerError(
            f"{path} is not a key file; remove it, and create the key again: scripts/keys.py add"
        ) from None
