"""The choice of an answer's next token: the likeliest, or one drawn with the answer's own generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from vqaserve.families.generation import GenerationSettings

PROCESSORS: dict[str, Callable[[Any], Any]] = {
    "repetition_penalty": RepetitionPenaltyLogitsProcessor,
    "no_repeat_ngram_size": NoRepeatNGramLogitsProcessor,
}
"""What a folder's ``generation_config.json`` may ask for besides the search, by name."""

_NEUTRAL = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
_UNSUPPORTED = (
    "bad_words_ids",
    "begin_suppress_tokens",
    "encoder_repetition_penalty",
    "exponential_decay_length_penalty",
    "force_words_ids",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "guidance_scale",
    "min_length",
    "min_new_tokens",
    "min_p",
    "sequence_bias",
    "suppress_tokens",
    "typical_p",
    "watermarking_config",
)


def is_supported(config: Any) -> bool:
    """Whether a generation config asks only for what is applied here."""
    return not any(getattr(config, name, None) for name in _UNSUPPORTED)


class TokenChooser:
    """Chooses the tokens of one answer, whatever else is in its batch."""

    def __init__(self, settings: GenerationSettings, config: Any, number: int) -> None:
        """Prepare the rules of the model's generation config and of the query.

        Args:
            settings: Of the query.
            config: The model's ``generation_config``.
            number: Of the answer among those to the same query, which draw differently.
        """
        self._processors = LogitsProcessorList()
        for name, processor in PROCESSORS.items():
            value = getattr(config, name, None)
            if value is not None and value != _NEUTRAL[name]:
                self._processors.append(processor(value))
        self._generator = None
        if settings.temperature:
            self._generator = torch.Generator().manual_seed(_seed(settings.seed, number))
            self._processors.append(TemperatureLogitsWarper(float(settings.temperature)))
            if config.top_k:
                self._processors.append(TopKLogitsWarper(config.top_k))
            if settings.top_p < 1:
                self._processors.append(TopPLogitsWarper(settings.top_p))

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is always chosen."""
        return not self._processors

    def choose(self, before: Tensor, logits: Tensor) -> int:
        """The next token.

        Args:
            before: The tokens of prompt and answer so far [length].
            logits: Of the next token [vocabulary].
        """
        scores = self._processors(before[None], logits[None].float())[0]  # type: ignore[arg-type]  # LongTensor is an old name
        if self._generator is None:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(0).cpu(), 1, generator=self._generator))


def _seed(seed: int, number: int) -> int:
    """A seed for each answer to a query: the query's own for the first."""
    return (seed + 0x9E3779B97F4A7C15 * number) % 2**63
