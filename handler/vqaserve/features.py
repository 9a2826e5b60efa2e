"""The cache of features: in this worker's memory and, if the recipe enables it, shared with the other workers."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqaserve.cache import Cache, nbytes
from vqaserve.families.base import Family
from vqaserve.pictures import Picture
from vqaserve.settings import CacheLimits
from vqaserve.sharing import SharedFolder

_ENTRY_BYTES = 4096
"""Bytes that a cached tensor takes besides its numbers, gaps in the heap included (measured: 4.2 kB each for features
of 512 bytes). Without them, small features would fill several times the limit."""
_TEXT_BYTES = struct.Struct("<I")


class FeatureCache:
    """Features by the digest of a picture, with the picture's warnings, which are part of every reply about it."""

    def __init__(self, family: Family[Any, Any], limits: CacheLimits, shared: Path | None = None) -> None:
        """Start empty, or with the features that other workers have shared.

        Args:
            family: Computes the features, and converts them to bytes and back.
            limits: The sizes of this worker's cache and of the shared folder.
            shared: The shared folder; None shares nothing.
        """
        self._family = family
        self._own: Cache[tuple[Any, tuple[str, ...]]] = Cache(limits.features_mb * 2**20, _size)
        limit = limits.shared_features_mb * 2**20
        self._shared = SharedFolder(shared, limit) if shared and limit else None
        self._shared_hits = 0

    def recall(self, picture: Picture) -> Picture:
        """Return the picture with its features and warnings if they are cached, else unchanged."""
        cached = self._own.get(picture.digest) or self._from_shared(picture.digest)
        if cached is None:
            return picture
        features, warnings = cached
        return replace(picture, features=features, warnings=warnings)

    def keep(self, picture: Picture, features: Any) -> None:
        """Cache the features of a picture, for this worker and the others."""
        self._own.put(picture.digest, (features, picture.warnings))
        if self._shared:
            text = "\n".join(picture.warnings).encode()
            self._shared.put(picture.digest, _TEXT_BYTES.pack(len(text)) + text + self._family.to_bytes(features))

    @property
    def counters(self) -> dict[str, int]:
        """``hits`` and ``misses`` of both caches; ``size`` and ``limit`` of this worker's own, in bytes."""
        own = self._own.counters
        return {**own, "hits": own["hits"] + self._shared_hits, "misses": own["misses"] - self._shared_hits}

    def _from_shared(self, digest: str) -> tuple[Any, tuple[str, ...]] | None:
        packed = self._shared.get(digest) if self._shared else None
        if packed is None:
            return None
        start = _TEXT_BYTES.size + _TEXT_BYTES.unpack_from(packed)[0]
        text = packed[_TEXT_BYTES.size : start].decode()
        cached = self._family.from_bytes(packed[start:]), tuple(text.split("\n")) if text else ()
        self._own.put(digest, cached)
        self._shared_hits += 1
        return cached


def _size(cached: tuple[Any, tuple[str, ...]]) -> int:
    return nbytes(cached) + _ENTRY_BYTES
