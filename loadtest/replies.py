"""Checks of the body of a reply."""

from __future__ import annotations

import json
from collections.abc import Sequence

from vqaops.server.replies import NOUNS


def read_field(body: bytes, name: str) -> object:
    """Return a field of a JSON object; None if the body is anything else, such as the page of a proxy."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content.get(name) if isinstance(content, dict) else None


def read_answer(body: bytes) -> object:
    """Return the best answer, whatever the task calls it; None if the body has none."""
    found = (read_field(body, noun) for noun in NOUNS)
    return next((answer for answer in found if answer is not None), None)


def wrong_answer(body: bytes, answers: Sequence[str]) -> str:
    """Return why the body of a 200 gives none of the right answers; empty if it gives one."""
    answer = read_answer(body)
    if answer in answers:
        return ""
    given = repr(answer) if isinstance(answer, str) else f"no answer in {body[:200]!r}"
    return f"{given}, not {' or '.join(answers)}"
