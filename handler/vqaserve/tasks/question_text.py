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
_HYPHENS: dict[int, str] = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2212\u02d7"), "-")
"""Hyphens, the figure dash and the minus sign. Longer dashes stay, because they are another sign."""

_COMPATIBLE: dict[int, str] = {
    code: unicodedata.normalize("NFKC", chr(code))
    for first, last in ((0xFF01, 0xFFEE), (0xFE50, 0xFE6B), (0xFB00, 0xFB06), (0x2024, 0x2026))
    for code in range(first, last + 1)
    if unicodedata.decomposition(chr(code))
}
"""The blocks of wide, narrow and small forms, the Latin ligatures and the dots of an ellipsis, by Unicode's own
compatibility decomposition. Other such characters, as in ``x\u00b2``, look different from theirs."""

_SPELLINGS: dict[int, str] = {**_COMPATIBLE, **_QUOTES, **_HYPHENS}
_FULL_STOPS = re.compile("(?<=[!-~])[\u3002\uff61]")
"""An ideographic full stop behind ASCII, as Chinese and Japanese keyboards type it."""

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters that are no white space
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0100-\U000e01ef"
    "]"
)
"""Format characters that have no shape (``Default_Ignorable_Code_Point`` in Unicode's DerivedCoreProperties.txt): soft
hyphen, zero-width space, word joiner, direction marks, byte order mark, Hangul fillers and their kind."""

_VARIATION = re.compile("(.)[\ufe00-\ufe0f]+", re.DOTALL)
"""Variation selectors choose between two shapes of a symbol (Technical Standard #51, 1.4.3); behind a letter they are
left over from copied text."""

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
    text = _INVISIBLE.sub("", _FULL_STOPS.sub(".", question).translate(_SPELLINGS))
    text = _VARIATION.sub(_keep_variation, text).lstrip("\ufe0e\ufe0f")
    text = " ".join(_JOINERS.sub(_keep_joiner, text).split())
    if len(text) > _MOST_COMPOSED * longest:
        return text
    return " ".join(unicodedata.normalize("NFC", text).split())


def _keep_variation(found: re.Match[str]) -> str:
    """A symbol with its selector, or another character without."""
    return found[0] if _is_symbol(found[1]) or found[1] in "#*0123456789" else found[1]


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
