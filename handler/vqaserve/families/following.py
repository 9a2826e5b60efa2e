"""Follows ``generate`` token by token: the text so far, rows that have ended, and rows that nobody waits for."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

from vqaserve.writing import Draft, PartialProgress, Progress, Writing

_HALF = "\N{REPLACEMENT CHARACTER}"
_GROWING = frozenset({"So", "Sk", "Cf", "Mn", "Me", "Mc"})
"""Categories of the characters after which a grapheme often goes on: emoji, their joiners, marks."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What is needed to follow the rows of a call of ``generate``.

    Attributes:
        progress: Is told what is written.
        read: The answer's text of some tokens.
        stops: The texts that end each row's answer.
        certain: The beginning of a text that later tokens and the texts that end the answer cannot change.
    """

    progress: Progress
    read: Callable[[Sequence[int]], str]
    stops: Sequence[tuple[str, ...]]
    certain: Callable[[str, Sequence[str]], str]

    @property
    def is_needed(self) -> bool:
        """Whether anything depends on what is written before the batch is done."""
        return bool(self.progress.streamed or self.progress.bounded or any(self.stops))

    def among(self, rows: Sequence[int]) -> Followed:
        """The same of some of the rows."""
        return replace(self, progress=PartialProgress(self.progress, rows), stops=[self.stops[row] for row in rows])


class Follower(StoppingCriteria):
    """Sees each token of a batch without beams. It is a stopping criterion because those can end single rows."""

    def __init__(self, followed: Followed, ends: frozenset[int], prompt_tokens: Sequence[int]) -> None:
        """Follow a call of ``generate`` from its start.

        Args:
            followed: Its rows.
            ends: The end tokens.
            prompt_tokens: The number of each row.
        """
        self._followed = followed
        self._ends = ends
        self._prompt_tokens = prompt_tokens
        self._tokens: list[list[int]] = [[] for _ in prompt_tokens]
        self._complete: set[int] = set()

    def __call__(self, input_ids: Tensor, scores: Any, **options: Any) -> Tensor:
        """Report the drafts after a step, and return whether each row is complete or abandoned [n]."""
        del scores, options
        progress = self._followed.progress
        drafts = {}
        for row, token in enumerate(input_ids[:, -1].tolist()):
            if row not in self._complete:
                self._tokens[row].append(token)
                if draft := self._draft(row, token):
                    drafts[row] = draft
        self._complete |= {row for row, draft in drafts.items() if draft.writing}
        if drafts:
            progress.wrote(drafts)
        over = self._complete | progress.abandoned() if progress.bounded else self._complete
        return torch.tensor([row in over for row in range(len(input_ids))], device=input_ids.device)

    def _draft(self, row: int, token: int) -> Draft | None:
        tokens, stops = self._tokens[row], self._followed.stops[row]
        is_streamed = row in self._followed.progress.streamed
        text = self._followed.read(tokens) if is_streamed or stops else ""
        answer = cut_at_stop(text, stops)
        if token in self._ends or answer != text:
            return Draft(answer.strip(), Writing(self._prompt_tokens[row], len(tokens)))
        return Draft(self._followed.certain(text, stops)) if is_streamed else None


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """The text before the first of the texts that end it."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


def certain_text(text: str, stops: Sequence[str] = (), joins_words: bool = False) -> str:
    """The beginning of a text that later tokens cannot change.

    Args:
        text: Of the tokens so far, without a text that ends it.
        stops: The texts that end it; a beginning of one at the end is not certain.
        joins_words: Whether the last word is not certain.

    Returns:
        It ends neither in half a character, nor in a blank, since an answer does not, nor in an emoji that may go on.
    """
    held = max((_overlap(text, stop) for stop in stops), default=0)
    text = text[: len(text) - held].rstrip(_HALF)
    if joins_words:
        text = text[: max(text.rfind(" "), 0)]
    while text and unicodedata.category(text[-1]) in _GROWING:
        text = text[:-1]
    return text.strip()


def _overlap(text: str, stop: str) -> int:
    """The length of the longest beginning of ``stop`` that ``text`` ends with."""
    return next((length for length in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:length])), 0)
