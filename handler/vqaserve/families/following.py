"""Reports what models write token by token: the text that is certain so far, and answers that are complete."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

from vqaserve.families.generated import GeneratedAnswer, cut_at_stop, to_answers
from vqaserve.types import Query
from vqaserve.writing import Draft, PartialProgress, Progress

_HALF = "\N{REPLACEMENT CHARACTER}"
_GROWING = frozenset({"So", "Sk", "Cf", "Mn", "Me", "Mc"})
"""Categories of the characters after which a grapheme often goes on: emoji, their joiners, marks."""

Certain = Callable[[str, Sequence[str]], str]
"""The beginning of a text that later tokens cannot change, given the texts that end the answer."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Turns the tokens of a batch into drafts, and reports them.

    Attributes:
        progress: Gets the drafts.
        queries: Of the batch.
        tokenizer: Decodes the tokens.
        certain: What can be sent of a text.
        clean: Removes from a complete text what is not the answer.
    """

    progress: Progress
    queries: Sequence[Query]
    tokenizer: Any
    certain: Certain
    clean: Callable[[str], str] = str.strip

    @property
    def is_needed(self) -> bool:
        """Whether anybody waits for what is written before the batch is done, or may go."""
        return bool(self.progress.streamed) or self.progress.bounded

    def among(self, rows: Sequence[int]) -> Listener:
        """The listener of some of the rows."""
        queries = [self.queries[row] for row in rows]
        return replace(self, progress=PartialProgress(self.progress, rows), queries=queries)

    def hear(self, written: Mapping[int, Sequence[int] | GeneratedAnswer]) -> frozenset[int]:
        """Report a step, and return the rows that nobody waits for.

        Args:
            written: The tokens so far by row, or the answer if it is complete.
        """
        drafts = {}
        for row, made in written.items():
            if isinstance(made, GeneratedAnswer):
                answer = to_answers([made], self.queries[row], self.tokenizer, self.clean)[0]
                drafts[row] = Draft(answer.answer, answer.writing)
            elif row in self.progress.streamed:
                text = self.tokenizer.decode(made, skip_special_tokens=True)
                drafts[row] = Draft(self.certain(text, self.queries[row].stop))
        if drafts:
            self.progress.wrote(drafts)
        return self.progress.abandoned() if self.progress.bounded else frozenset()


class Follower(StoppingCriteria):
    """Listens to ``generate``, without beams: a stopping criterion sees each token and can end single rows."""

    def __init__(self, listener: Listener, ends: frozenset[int], prompt_tokens: Sequence[int]) -> None:
        """Follow a call from its start.

        Args:
            listener: Hears the tokens of each row.
            ends: The end tokens.
            prompt_tokens: The number of each row.
        """
        self._listener = listener
        self._ends = ends
        self._prompt_tokens = prompt_tokens
        self._tokens: list[list[int]] = [[] for _ in prompt_tokens]
        self._complete: set[int] = set()

    def __call__(self, input_ids: Tensor, scores: Any, **options: Any) -> Tensor:
        """Report the last token of each row, and return whether the row is abandoned [n]."""
        del scores, options
        written: dict[int, Sequence[int] | GeneratedAnswer] = {}
        for row, token in enumerate(input_ids[:, -1].tolist()):
            if row not in self._complete:
                self._tokens[row].append(token)
                written[row] = self._written(row, token)
        self._complete |= {row for row, made in written.items() if isinstance(made, GeneratedAnswer)}
        abandoned = self._listener.hear(written)
        return torch.tensor([row in abandoned for row in range(len(input_ids))], device=input_ids.device)

    def _written(self, row: int, token: int) -> Sequence[int] | GeneratedAnswer:
        tokens = self._tokens[row]
        return GeneratedAnswer(tuple(tokens), 0.0, self._prompt_tokens[row], True) if token in self._ends else tokens


def certain_text(text: str, stops: Sequence[str] = (), joins_words: bool = False) -> str:
    """The beginning of a text that later tokens cannot change.

    Args:
        text: Of the tokens so far.
        stops: The texts that end it; neither they nor a beginning of one at the end is certain.
        joins_words: Whether the last word is not certain.

    Returns:
        It ends neither in half a character, nor in a blank, since an answer does not, nor in an emoji that may go on.
    """
    text = cut_at_stop(text, stops).rstrip(_HALF)
    text = text[: len(text) - max((_overlap(text, stop) for stop in stops), default=0)]
    if joins_words:
        text = text[: max(text.rfind(" "), 0)]
    while text and unicodedata.category(text[-1]) in _GROWING:
        text = text[:-1]
    return text.strip()


def _overlap(text: str, stop: str) -> int:
    """The length of the longest beginning of ``stop`` that ``text`` ends with."""
    return next((length for length in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:length])), 0)
