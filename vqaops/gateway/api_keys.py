"""The gateway's API keys: a folder with a file for each, named by the key's hash.

nginx looks the file up at each request (deploy/gateway/gateway.js). So a key holds from the moment its file is there
until the moment it is not, and nothing is reloaded. The folder may be shared by several gateways.

A key is 256 random bits: nobody finds it by trying, so its sha256 needs no salt and no slow hash, which protect what
people think up. Who reads the folder learns no key.
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
"""Lets scanners of repositories and logs know a leaked key."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a key: whose it is, and since when."""

    name: str
    created: str
    digest: str


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys in a folder."""

    folder: Path

    def add(self, name: str) -> str:
        """Make a key; this is the only time that it is seen.

        Raises:
            ServerError: The name is taken, or none that a log can hold.
        """
        if not _NAME.fullmatch(name):
            raise ServerError(f"{name!r} is no name for a key; use a-z, 0-9, '.', '_' and '-', 63 at most")
        if any(entry.name == name for entry in self.entries()):
            raise ServerError(
                f"{name} has a key; revoke it (scripts/keys.py revoke {name}), or add {name}-2 and revoke the old "
                "one when the new one is in use"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        key = PREFIX + secrets.token_urlsafe(32)
        entry = {"name": name, "created": datetime.now(UTC).isoformat(timespec="seconds")}
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")  # mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump(entry, file)
        Path(temporary).replace(self.folder / digest_of(key))
        return key

    def entries(self) -> list[Entry]:
        """All keys, by name."""
        files = [path for path in self.folder.glob("*") if _DIGEST.fullmatch(path.name)]
        found = [(json.loads(path.read_text(encoding="utf-8")), path.name) for path in files]
        return sorted((Entry(one["name"], one["created"], digest) for one, digest in found), key=lambda one: one.name)

    def revoke(self, name: str) -> None:
        """Refuse a key from now on; requests that it already has under way are answered.

        Raises:
            ServerError: There is no such key.
        """
        entries = self.entries()
        chosen = [entry for entry in entries if entry.name == name]
        if not chosen:
            known = ", ".join(entry.name for entry in entries) or "there are none"
            raise ServerError(f"no key is called {name!r} ({known})")
        for entry in chosen:
            (self.folder / entry.digest).unlink(missing_ok=True)


def digest_of(key: str) -> str:
    """The name of a key's file."""
    return hashlib.sha256(key.encode()).hexdigest()
