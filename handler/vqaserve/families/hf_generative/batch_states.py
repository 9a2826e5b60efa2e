"""Keys and values of a batch of sequences while their answers are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from vqaserve.families.hf_generative.prefix_cache import LayerStates, Prefix


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # transformers' __init_subclass__
    """A layer of a cache with room for the tokens to come, so that a new token does not copy all before it.

    Keys and values are [n, heads, length, width].
    """

    keys: Tensor
    values: Tensor

    def __init__(self, room: int) -> None:
        """Start empty, with room for this many tokens."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._room = room
        self._length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate the room when the first states come."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self._keys, self._values = (
            torch.zeros(*states.shape[:2], self._room, states.shape[3], dtype=states.dtype, device=states.device)
            for states in (key_states, value_states)
        )
        self.extend(0)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Add states [n, heads, new tokens, width], and return those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self._length + key_states.shape[2]
        self._keys[:, :, self._length : end] = key_states
        self._values[:, :, self._length : end] = value_states
        self.extend(end)
        return self.keys, self.values

    def put(self, row: int, start: int, layer: LayerStates) -> None:
        """Write the states of one sequence, each [heads, length, width]."""
        end = start + layer[0].shape[1]
        self._keys[row, :, start:end] = layer[0]
        self._values[row, :, start:end] = layer[1]

    def extend(self, length: int) -> None:
        """Count the first ``length`` places as written; those without states must be masked."""
        self._length = length
        self.keys, self.values = self._keys[:, :, :length], self._values[:, :, :length]

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the given rows, in that order."""
        self._keys, self._values = self._keys[indices], self._values[indices]
        self.extend(self._length)


class BatchStates:
    """The cache of a batch, and which of its places hold a token. Each sequence ends at the last place."""

    def __init__(self, layers: Sequence[RoomyLayer], mask: Tensor) -> None:
        """Take the layers with what they hold, and their mask [n, length]."""
        self.layers = layers
        self.cache = Cache(layers=list(layers))
        self.mask = mask

    @classmethod
    def begin(cls, prefixes: Sequence[Prefix], layers: int, room: int, device: torch.device) -> Self:
        """A batch that holds a known prefix of each sequence.

        Args:
            prefixes: One for each sequence; a length of 0 begins with nothing.
            layers: Layers of the model.
            room: Places for all tokens that are to be added.
            device: The device of the model.
        """
        longest = max(prefix.length for prefix in prefixes)
        made = [RoomyLayer(longest + room) for _ in range(layers)]
        mask = torch.zeros(len(prefixes), longest, dtype=torch.long, device=device)
        some = next((prefix for prefix in prefixes if prefix.length), None)
        if some:
            for index, layer in enumerate(made):
                keys, values = (states[None].expand(len(prefixes), -1, -1, -1) for states in some.layers[index])
                layer.lazy_initialization(keys, values)
                for row, prefix in enumerate(prefixes):
                    if prefix.length:
                        known = prefix.layers[index]
                        start = longest - prefix.length
                        layer.put(row, start, (known[0][:, : prefix.length], known[1][:, : prefix.length]))
                layer.extend(longest)
        for row, prefix in enumerate(prefixes):
            mask[row, longest - prefix.length :] = 1
        return cls(made, mask)

    @classmethod
    def merge(cls, batches: Sequence[BatchStates], room: int) -> BatchStates:
        """One batch with the sequences of several, in order, and room for more tokens."""
        if len(batches) == 1:
            return batches[0]
        longest = max(batch.mask.shape[1] for batch in batches)
        rows = sum(len(batch.mask) for batch in batches)
        mask = batches[0].mask.new_zeros(rows, longest)
        made = [RoomyLayer(longest + room) for _ in batches[0].layers]
        for index, layer in enumerate(made):
            first = batches[0].layers[index]
            layer.lazy_initialization(
                first.keys[:1].expand(rows, -1, -1, -1), first.values[:1].expand(rows, -1, -1, -1)
            )
            row = 0
            for batch in batches:
                states = batch.layers[index]
                for keys, values in zip(states.keys, states.values, strict=True):
                    layer.put(row, longest - keys.shape[1], (keys, values))
                    row += 1
            layer.extend(longest)
        row = 0
        for batch in batches:
            mask[row : row + len(batch.mask), longest - batch.mask.shape[1] :] = batch.mask
            row += len(batch.mask)
        return cls(made, mask)

    def grow(self, mask: Tensor) -> Tensor:
        """Add places, of which ``mask`` [n, new] says where a token is; return the whole mask."""
        self.mask = torch.cat([self.mask, mask], 1)
        return self.mask

    def select(self, rows: Sequence[int]) -> None:
        """Keep the given rows, in that order."""
        indices = torch.tensor(rows, device=self.mask.device)
        self.cache.batch_select_indices(indices)
        self.mask = self.mask[indices]

    def take(self, row: int) -> list[LayerStates]:
        """A copy of the states of one sequence, without places that hold no token."""
        places = self.mask[row].bool()
        return [(layer.keys[row][:, places], layer.values[row][:, places]) for layer in self.layers]

    def nbytes(self, row: int) -> int:
        """The bytes of ``take``."""
        tokens = int(self.mask[row].sum())
        return sum(
            tokens * states.shape[1] * states.shape[3] * states.element_size()
            for layer in self.layers
            for states in (layer.keys, layer.values)
        )
