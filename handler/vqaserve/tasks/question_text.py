"""Questions as people type them, in one spelling: the same question is the same text to a tokenizer and to a cache.

Unicode writes one visible text in many ways. Here it becomes straight quotes, narrow (ASCII) forms of wide letters and
punctuation, single blanks, no invisible characters, and normalization form C (Unicode Standard Annex #15).
"""

from __future__ import annotations

import re
import unicodedata

_QUOTES: dict[int, str] = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033"), '"'),
}
_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
"""The block Halfwidth and Fullwidth Forms repeats ASCII from ``!`` to ``~``; ``U+3000`` is a blank already."""

_SPELLINGS: dict[int, str | int | None] = {**_QUOTES, **_WIDE}

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters that are no white space
    "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0001"
    "]"
)
"""Format characters that have no shape (``Default_Ignorable_Code_Point`` in Unicode's DerivedCoreProperties.txt): soft
hyphen, zero-width space, word joiner, direction marks, byte order mark and their kind."""

_JOINERS = re.compile("[\u200c\u200d]+|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+")
"""Joiners spell words in Arabic, Persian and Indic scripts and hold emoji together (Unicode Standard Annex #31, 2.3;
Technical Standard #51, 1.4.2); tags make flags of regions. Anywhere else they are invisible."""

_FIRST_JOINED_SCRIPT = 0x0590  # Latin, Greek, Cyrillic and Armenian letters are below, and are never joined

_MOST_COMPOSED = 4
"""Characters that normalization can make one of, at most."""


def normalize_question(question: str, longest: int) -> str:
    """A question in its one spelling.

    Args:
        question: As the client sent it.
        longest: Characters that a question may have. A text that is longer whatever normalization does is returned
            without it: composing characters takes quadratic time at worst.

    Returns:
        The question, without blanks around it. Letter case stays, and so does every visible character.
    """
    text = _INVISIBLE.sub("", question.translate(_SPELLINGS))
    text = " ".join(_JOINERS.sub(_keep_joiner, text).split())
    if len(text) > _MOST_COMPOSED * longest:
        return text
    return " ".join(unicodedata.normalize("NFC", text).split())


def _keep_joiner(found: re.Match[str]) -> str:
    """One joiner where letters of a script that needs it or two symbols are around it, else nothing."""
    text, joiner = found.string, found[0][0]
    if found.start() == 0 or found.end() == len(text) or joiner > "\u200d":
        return ""
    before, after = text[found.start() - 1], text[found.end()]
    if _is_symbol(before) and _is_symbol(after):
        return joiner if joiner == "\u200d" else ""
    return joiner if _is_joined_letter(before) and _is_joined_letter(after) else ""


def _is_symbol(character: str) -> bool:
    """Whether a character can be part of an emoji: a pictograph, a skin tone or a variation selector."""
    return unicodedata.category(character) in ("So", "Sk", "Sm") or character in "\ufe0e\ufe0f\u20e3"


def _is_joined_letter(character: str) -> bool:
    return ord(character) >= _FIRST_JOINED_SCRIPT and unicodedata.category(character)[0] in "LM"
