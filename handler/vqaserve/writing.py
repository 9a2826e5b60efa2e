"""How a model wrote an answer: its tokens, their probabilities, and why it ended."""

from __future__ import annotations

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
