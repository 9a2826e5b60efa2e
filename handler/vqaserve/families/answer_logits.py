"""What a model that writes says of answers that it is given, with gradients, for its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class AnswerLogits:
    """A given answer, token by token.

    Attributes:
        logits: Of the next token after the prompt and the tokens before [length, vocabulary].
        tokens: The tokens of the answer, its end token included [length].
    """

    logits: Tensor
    tokens: Tensor


def continuation_tokens(tokenizer: Any, prompt: str, answer: str, **special: bool) -> list[int]:
    """The tokens of a text that continues a prompt, without those of the prompt.

    Args:
        tokenizer: Of the model.
        prompt: The prompt's text.
        answer: The text after it.
        special: Arguments of the tokenizer for the prompt.
    """
    before, whole = (tokenizer(text, verbose=False, **special)["input_ids"] for text in (prompt, prompt + answer))
    if whole[: len(before)] == before:
        tokens: list[int] = whole[len(before) :]
        return tokens
    # The tokenizer ends each text with a token, or joins the answer's first letters to the prompt.
    alone: list[int] = tokenizer(answer, add_special_tokens=False, verbose=False)["input_ids"]
    return alone


def causal_logits(
    model: Any, inputs: Mapping[str, Any], lengths: Sequence[int], answers: Sequence[Sequence[int]]
) -> list[AnswerLogits]:
    """The logits of a language model for the answers at the end of its inputs.

    Args:
        model: A transformers model with a language model's head.
        inputs: Of its ``forward``; ``input_ids`` [n, length] are padded on the right, so that positions count from 0.
        lengths: Tokens of each row, the answer's included.
        answers: The tokens of each row's answer.
    """
    first = [length - len(answer) - 1 for length, answer in zip(lengths, answers, strict=True)]
    places = torch.arange(min(first), max(lengths) - 1)  # only these, because vocabularies are large
    logits = model(**inputs, use_cache=False, logits_to_keep=places).logits
    rows = []
    for row, (start, answer) in enumerate(zip(first, answers, strict=True)):
        begin = start - min(first)
        rows.append(AnswerLogits(logits[row, begin : begin + len(answer)], torch.tensor(answer, device=logits.device)))
    return rows
