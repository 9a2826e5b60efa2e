"""Sections of a model card that commands write, between two HTML comments by which they find them again."""

from __future__ import annotations

import re


def with_section(card: str, section: str) -> str:
    """The text of a model card with a section in the place of the earlier one, or at the end.

    Args:
        card: The text.
        section: Lines of Markdown. The first and the last are comments, the same each time.
    """
    lines = section.splitlines()
    earlier = re.compile(f"{re.escape(lines[0])}\n.*?{re.escape(lines[-1])}\n?", re.DOTALL)
    if earlier.search(card):
        return earlier.sub(lambda _: f"{section}\n", card, count=1)
    return f"{card.rstrip()}\n\n{section}\n"
