"""Keys and values of prompts that were answered, so that a prompt that begins like one pays only for what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from torch import Tensor

LayerStates = tuple[Tensor, Tensor]
"""Keys and values of one layer for one sequence, each [heads, length, width]."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a prompt that is known.

    Attributes:
        length: In tokens; 0 if nothing is known.
        layers: States of at least that many tokens.
    """

    length: int = 0
    layers: Sequence[LayerStates] = ()


class PrefixCache:
    """States of whole sequences, up to a total size in bytes; the least recently used is dropped first.

    The states of a token depend only on the tokens before it, so any common beginning of two sequences can be shared.
    """

    def __init__(self, limit: int) -> None:
        """Start empty; ``limit`` is in bytes, and 0 keeps nothing."""
        self._kept: LRUCache[bytes, Sequence[LayerStates]] = LRUCache(limit, _nbytes)
        self._hits = self._misses = 0

    def find(self, keys: NDArray[np.int64], most: int) -> Prefix:
        """The longest known beginning of a sequence.

        Args:
            keys: A number for each token; see ``Prompt.keys``.
            most: The longest beginning that is of use, in tokens.
        """
        lengths = {known: min(_common(np.frombuffer(known, np.int64), keys), most) for known in self._kept}
        best = max(lengths, key=lambda known: lengths[known], default=b"")
        if not lengths.get(best):
            self._misses += 1
            return Prefix()
        self._hits += 1
        return Prefix(lengths[best], self._kept[best])

    def keep(self, keys: NDArray[np.int64], layers: Sequence[LayerStates]) -> None:
        """Keep the states of a sequence in place of its own beginnings."""
        if _nbytes(layers) > self._kept.maxsize:
            return
        for known in [known for known in self._kept if keys.tobytes().startswith(known)]:
            del self._kept[known]
        self._kept[keys.tobytes()] = layers

    def fits(self, count: int) -> bool:
        """Whether states of that many bytes can be kept."""
        return bool(count <= self._kept.maxsize)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    @property
    def counters(self) -> dict[str, int]:
        """``hits``, ``misses``, ``size`` and ``limit`` in bytes."""
        used, limit = int(self._kept.currsize), int(self._kept.maxsize)
        return {"hits": self._hits, "misses": self._misses, "size": used, "limit": limit}


def _common(known: NDArray[np.int64], keys: NDArray[np.int64]) -> int:
    """The length of the common beginning of two sequences."""
    shorter = min(len(known), len(keys))
    differs = known[:shorter] != keys[:shorter]
    return int(differs.argmax()) if differs.any() else shorter


def _nbytes(layers: Sequence[LayerStates]) -> int:
    return sum(keys.nbytes + values.nbytes for keys, values in layers)
