"""What a model says of itself, as Markdown for the panel below the conversation."""

from __future__ import annotations

import re

from vqaops.server.descriptions import Description

_CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1[^\n]*\n?", re.MULTILINE | re.DOTALL)
"""Fenced code: commands for whoever runs the server."""
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)\n?")
"""Pictures of the card are files of its repository, which the page does not have."""
_HEAD = re.compile(r"^\|[^\n]*\|(?=\s*\n\|[\s:|-]+\|\s*$)", re.MULTILINE)
"""The head of a table; a screen reader would read nothing for a cell that is blank."""
_EMPTY = re.compile(r"^(#+) [^\n]*\n*(?=(?!\1#)#|\Z)", re.MULTILINE)
"""A heading with nothing before the next one of its level, as when all below it was code."""
_HEADING = re.compile(r"^#(?=#* )", re.MULTILINE)


def card_markdown(key: str, said: Description) -> str:
    """The version's limits and its card without commands, its headings below those of the page.

    Args:
        key: ``NAME/VERSION``.
        said: The version's description.
    """
    name, _, version = key.partition("/")
    limits = said.limits
    lines = (
        f"**{name}**, version {version}, task `{said.task.replace('_', '-')}`.",
        f"A picture may have {limits['max_image_pixels'] / 1e6:.0f} megapixels "
        f"({limits['max_jpeg_pixels'] / 1e6:.0f} as a JPEG) and {limits['max_image_bytes'] / 2**20:.0f} MB, "
        f"a question {limits['max_question_chars']} characters.",
    )
    card = _HEADING.sub("##", _HEAD.sub(_filled, _without_empty(_IMAGE.sub("", _CODE.sub("", said.card)))))
    return "\n\n".join((*lines, card.strip()))


def _without_empty(text: str) -> str:
    """The text without headings that have nothing below them, and without those that have nothing else below them."""
    while (shorter := _EMPTY.sub("", text)) != text:
        text = shorter
    return text


def _filled(head: re.Match[str]) -> str:
    """The head of a table with something in each cell, marked for the page's style; one without any name is hidden."""
    names = "unnamed" if head[0].strip("| \t") else "all unnamed"
    return re.sub(r"\|(?=\s*\|)", f'| <span class="{names}">-</span>', head[0])
