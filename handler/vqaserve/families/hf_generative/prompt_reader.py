"""Computes the states of prompts, from what the prefix cache has of each to its last token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqaserve.families.hf_generative.batch_states import BatchStates
from vqaserve.families.hf_generative.chat_prompt import Prompt
from vqaserve.families.hf_generative.prefix_cache import Prefix, PrefixCache

_SIMILAR = 32
"""Prompts whose numbers of new tokens differ by less are computed together; the shorter are padded."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Prompts that were computed.

    Attributes:
        order: The number of the prompt in each row.
        states: Keys and values.
        logits: Of the token after each prompt [n, vocabulary].
        known: Tokens that the prefix cache had, by number of the prompt.
    """

    order: Sequence[int]
    states: BatchStates
    logits: Tensor
    known: Mapping[int, int]


class PromptReader:
    """A causal language model with a vision tower, as far as prompts are concerned."""

    def __init__(self, model: Any, prefixes: PrefixCache, device: torch.device) -> None:
        """Take a model whose states of a token depend only on the tokens before it."""
        self._model = model
        self._prefixes = prefixes
        self._device = device
        self._layers = int(model.config.get_text_config().num_hidden_layers)

    def read(self, prompts: Sequence[Prompt], room: int) -> Reading:
        """Compute prompts, with room for that many tokens after each.

        Where several begin with the same picture, the first is computed before the others, which then find the picture
        in the cache.
        """
        shared = Counter(_beginning(prompt) for prompt in prompts)
        first = {_beginning(prompt): number for number, prompt in reversed(list(enumerate(prompts)))}
        ahead = sorted(first.values())
        parts: list[tuple[BatchStates, Tensor]] = []
        order: list[int] = []
        known: dict[int, int] = {}
        for turn in (ahead, [number for number in range(len(prompts)) if number not in set(ahead)]):
            prefixes = {number: self._find(prompts[number]) for number in turn}
            known |= {number: prefix.length for number, prefix in prefixes.items()}
            for alike in _similar({number: len(prompts[number]) - known[number] for number in turn}):
                chosen = [prompts[number] for number in alike]
                states, logits = self._compute(chosen, [prefixes[number] for number in alike], room)
                parts.append((states, logits))
                order += alike
                for row, prompt in enumerate(chosen):
                    if turn is ahead and shared[_beginning(prompt)] > 1:
                        self._prefixes.keep(prompt.keys, states.take(row))
        states = BatchStates.merge([states for states, _ in parts], room)
        return Reading(order, states, torch.cat([logits for _, logits in parts]), known)

    def _find(self, prompt: Prompt) -> Prefix:
        return self._prefixes.find(prompt.keys, len(prompt) - 1)  # the logits of the last token are needed

    def _compute(self, prompts: Sequence[Prompt], known: Sequence[Prefix], room: int) -> tuple[BatchStates, Tensor]:
        starts = [prefix.length for prefix in known]
        longest = max(len(prompt) - start for prompt, start in zip(prompts, starts, strict=True))
        states = BatchStates.begin(known, self._layers, longest + room, self._device)
        inputs, positions, mask = (
            torch.stack(tensors, dimension)
            for dimension, tensors in zip(
                (0, 1, 0),
                zip(
                    *(self._new_tokens(one, start, longest) for one, start in zip(prompts, starts, strict=True)),
                    strict=True,
                ),
                strict=True,
            )
        )
        output = self._model(
            inputs_embeds=inputs,
            position_ids=positions if len(positions) > 1 else positions[0],
            attention_mask=states.grow(mask),
            past_key_values=states.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return states, output.logits[:, -1]

    def _new_tokens(self, prompt: Prompt, start: int, longest: int) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings [longest, width], positions [axes, longest] and mask [longest] of the tokens from ``start`` on."""
        ids = torch.from_numpy(prompt.ids).to(self._device)
        embedded = self._model.get_input_embeddings()(ids[start:])
        places = ids == self._model.config.image_token_id
        vectors = torch.cat([picture.vectors for picture in prompt.pictures])[int(places[:start].sum()) :]
        embedded[places[start:]] = vectors.to(embedded)
        padding = longest - len(embedded)
        mask = torch.ones(len(embedded), dtype=torch.long, device=self._device)
        return (
            torch.nn.functional.pad(embedded, (0, 0, padding, 0)),
            torch.nn.functional.pad(prompt.positions[:, start:].to(self._device), (padding, 0)),
            torch.nn.functional.pad(mask, (padding, 0)),
        )


def _beginning(prompt: Prompt) -> int:
    return prompt.pictures[0].fingerprint


def _similar(new: Mapping[int, int]) -> Iterator[list[int]]:
    """Groups of prompts with similar numbers of new tokens."""
    left = sorted(new, key=lambda number: new[number])
    while left:
        alike = [number for number in left if new[number] < new[left[0]] + _SIMILAR]
        left = left[len(alike) :]
        yield alike
