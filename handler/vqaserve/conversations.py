"""Limits of conversations, and what one is to a model that reads one question and one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vqaserve.errors import InvalidQuestion
from vqaserve.limits import Limits
from vqaserve.types import Query

_CHARACTERS_PER_TOKEN = 8
"""No text has so few tokens for its length; a longer one need not be tokenized to be refused."""


def last_question(query: Query) -> Query:
    """Return a query for its last question and its last picture alone, with warnings that name what is not read."""
    if not query.conversation:
        return query
    return replace(query, conversation=(), earlier_images=(), warnings=(*query.warnings, *_not_read(query)))


def _not_read(query: Query) -> Iterator[str]:
    if query.earlier_images:
        yield f"the request has {len(query.images)} pictures; only the last one was used"
    earlier = [turn for turn in query.conversation[:-1] if turn.role != "system" and turn.text]
    if earlier:
        yield f"this model answers single questions: {len(earlier)} earlier turns were not read"
    if any(turn.role == "system" for turn in query.conversation):
        yield "the system message was not read"


def check_conversation(query: Query, limits: Limits) -> None:
    """Refuse a conversation that is over a limit, before a picture is opened or a text tokenized.

    Raises:
        InvalidQuestion: The message says which limit.
    """
    counted = (
        (len(query.conversation), "turns", limits.max_turns),
        (len(query.images) if query.conversation else 1, "pictures", limits.max_pictures),
        (len(_text(query)), "characters", _CHARACTERS_PER_TOKEN * limits.max_prompt_tokens),
    )
    for count, noun, most in counted:
        if count > most:
            raise InvalidQuestion(f"the conversation has {count:,} {noun}; at most {most:,} are allowed: shorten it")
    try:
        _text(query).encode()
    except UnicodeEncodeError:
        raise InvalidQuestion(
            "the conversation holds half of a surrogate pair, which is not a character; send UTF-8"
        ) from None


def _text(query: Query) -> str:
    return "".join(part for turn in query.conversation for part in turn.parts if isinstance(part, str))
