"""Replies of the protocol ``plain``, whatever their task calls an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOUNS = ("answer", "label")
"""What the tasks call one of the ranked answers (``vqaserve.tasks``)."""


def best_answer(reply: Mapping[str, Any]) -> str:
    """The text of the best answer."""
    return str(reply[_noun(reply)])


def ranked_answers(reply: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Text and score of each answer, best first."""
    noun = _noun(reply)
    return [(str(one[noun]), float(one["score"])) for one in reply[f"{noun}s"]]


def _noun(reply: Mapping[str, Any]) -> str:
    for noun in NOUNS:
        if noun in reply:
            return noun
    raise KeyError(f"a reply has one of {', '.join(NOUNS)}")
