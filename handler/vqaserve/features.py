"""Features of pictures that were encoded before: this worker's own, and where a recipe wants it the other workers'."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqaserve.cache import Cache, nbytes
from vqaserve.families.base import Family
from vqaserve.settings import CacheLimits
from vqaserve.sharing import SharedFolder
from vqaserve.types import Picture

_ENTRY_BYTES = 4096
"""What a remembered tensor takes beside its numbers, gaps in the heap included (4.2 kB each for features of 512
bytes): small features would otherwise fill several times the limit."""
_TEXT_BYTES = struct.Struct("<I")


class FeatureCache:
    """Features by the hash of a picture's file, with its warnings, which are part of every reply about it."""

    def __init__(self, family: Family[Any, Any], limits: CacheLimits, shared: Path | None = None) -> None:
        """Starts empty, or with what other workers have shared.

        Args:
            family: Whose features; it says how they become bytes.
            limits: Of memory, and of the shared folder.
            shared: The folder for ``limits.shared_features_mb``; None: there are no other workers.
        """
        self._family = family
        self._own: Cache[tuple[Any, tuple[str, ...]]] = Cache(limits.features_mb * 2**20, _size)
        limit = limits.shared_features_mb * 2**20
        self._shared = SharedFolder(shared, limit) if shared and limit else None
        self._taken = 0

    def recall(self, picture: Picture) -> Picture:
        """The picture with its features and warnings, if they are known."""
        known = self._own.get(picture.digest) or self._take(picture.digest)
        if known is None:
            return picture
        features, warnings = known
        return replace(picture, features=features, warnings=warnings)

    def keep(self, picture: Picture, features: Any) -> None:
        """Remember what a picture was encoded to, for this worker and the others."""
        self._own.put(picture.digest, (features, picture.warnings))
        if self._shared:
            text = "\n".join(picture.warnings).encode()
            self._shared.put(picture.digest, _TEXT_BYTES.pack(len(text)) + text + self._family.to_bytes(features))

    @property
    def counters(self) -> dict[str, int]:
        """``hits``, ``misses``, and of this worker's own ``size`` and ``limit`` in bytes."""
        own = self._own.counters
        return {**own, "hits": own["hits"] + self._taken, "misses": own["misses"] - self._taken}

    def _take(self, digest: str) -> tuple[Any, tuple[str, ...]] | None:
        packed = self._shared.get(digest) if self._shared else None
        if packed is None:
            return None
        start = _TEXT_BYTES.size + _TEXT_BYTES.unpack_from(packed)[0]
        text = packed[_TEXT_BYTES.size : start].decode()
        known = self._family.from_bytes(packed[start:]), tuple(text.split("\n")) if text else ()
        self._own.put(digest, known)
        self._taken += 1
        return known


def _size(kept: tuple[Any, tuple[str, ...]]) -> int:
    return nbytes(kept) + _ENTRY_BYTES
