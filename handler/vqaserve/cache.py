"""A bounded cache that drops the least recently used value first and counts its hits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from cachetools import LRUCache

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values by key, up to a total size; a value larger than that is not kept."""

    def __init__(self, limit: int, size: Callable[[Value], int] | None = None) -> None:
        """Start empty.

        Args:
            limit: The total size of all values; 0 keeps nothing.
            size: Returns the size of a value; by default every value has size 1.
        """
        self._kept: LRUCache[Hashable, Value] = LRUCache(limit, size)
        self._hits = self._misses = 0

    def get(self, key: Hashable) -> Value | None:
        """Return the value and mark it as recently used, or return None; count a hit or a miss."""
        value: Value | None = self._kept.get(key)
        if value is None:
            self._misses += 1
        else:
            self._hits += 1
        return value

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value, and drop others if there is no room."""
        if self._kept.getsizeof(value) <= self._kept.maxsize:
            self._kept[key] = value

    @property
    def counters(self) -> dict[str, int]:
        """``hits``, ``misses``, ``size`` and ``limit``."""
        used, limit = int(self._kept.currsize), int(self._kept.maxsize)
        return {"hits": self._hits, "misses": self._misses, "size": used, "limit": limit}


def nbytes(value: Any) -> int:
    """Return the bytes of a feature: an array, a tensor, a picture, or a container of these."""
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if hasattr(value, "getbands"):  # a Pillow image
        return int(value.width * value.height * len(value.getbands()))
    if isinstance(value, dict):
        return sum(map(nbytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(nbytes, value))
    if hasattr(value, "__dict__"):
        return sum(map(nbytes, vars(value).values()))
    return sys.getsizeof(value)
