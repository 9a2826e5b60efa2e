"""How a model writes an answer: its text so far, its tokens, their probabilities, and why it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Token:
    """One token that a model wrote.

    Attributes:
        text: The token by itself; a character may need several.
        log_probability: Of the token after those before it, at temperature 1.
        likeliest: The most probable tokens at this place and their log-probabilities, best first.
    """

    text: str
    log_probability: float
    likeliest: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Writing:
    """How a model wrote an answer.

    Attributes:
        prompt_tokens: Tokens of the prompt, those of pictures included.
        cached_tokens: Tokens of the prompt that were not computed again.
        completion_tokens: Tokens written, the end token included.
        finish_reason: ``stop`` if the answer ended by itself or with one of ``Query.stop``; ``length`` if it was cut.
        tokens: The tokens, if the query asks for their probabilities.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    finish_reason: Literal["stop", "length"] = "stop"
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer on its way, whose text only grows.

    Attributes:
        text: What is certain of it: no half character, and nothing that a stop text may take back.
        writing: How it was written, if it is complete; its text is then the answer.
    """

    text: str
    writing: Writing | None = None


class Progress:
    """What a family reports while it writes the answers of a batch, and whether they are still wanted.

    This one is for batches that nobody watches. Rows are places in the batch.
    """

    @property
    def streamed(self) -> frozenset[int]:
        """Rows whose text is wanted as it is written; of the others, only their end."""
        return frozenset()

    @property
    def bounded(self) -> bool:
        """Whether a row may be abandoned before it is complete."""
        return False

    def wrote(self, drafts: Mapping[int, Draft]) -> None:
        """Report what there is of some rows after a step. A row whose draft is complete is not reported again."""

    def abandoned(self) -> frozenset[int]:
        """Rows that nobody waits for any more; they need not be written to their end."""
        return frozenset()


@dataclass(frozen=True)
class PartialProgress(Progress):
    """The progress of some rows of a batch.

    Attributes:
        whole: Of the batch.
        rows: Their places in it.
    """

    whole: Progress
    rows: Sequence[int]

    @property
    def streamed(self) -> frozenset[int]:
        """As of ``Progress``, by place among the rows."""
        return self._among(self.whole.streamed)

    @property
    def bounded(self) -> bool:
        """As of ``Progress``."""
        return self.whole.bounded

    def wrote(self, drafts: Mapping[int, Draft]) -> None:
        """As of ``Progress``."""
        self.whole.wrote({self.rows[row]: draft for row, draft in drafts.items()})

    def abandoned(self) -> frozenset[int]:
        """As of ``Progress``, by place among the rows."""
        return self._among(self.whole.abandoned())

    def _among(self, rows: frozenset[int]) -> frozenset[int]:
        return frozenset(place for place, row in enumerate(self.rows) if row in rows)
