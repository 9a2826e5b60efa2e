"""Which licenses let anyone pass files on."""

from __future__ import annotations

import re
from typing import Final

_PASS_ON: Final = re.compile(
    r"apache-2\.0|mit|mit-0|isc|0bsd|bsd(-[23]-clause(-clear)?)?|bsl-1\.0|zlib|ncsa|postgresql|unlicense|wtfpl"
    r"|cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-\d\.\d|pddl|odc-by|odbl|openmdw(-1\.0)?"
    r"|(a|l)?gpl(-\d\.\d)?|mpl-2\.0|epl-[12]\.0|eupl-1\.[12]|ecl-2\.0|afl-3\.0|artistic-2\.0|ms-pl|ofl-1\.1|osl-3\.0"
    r"|(\w+-)*openrail(-m|\+\+)?|bigscience-bloom-rail-1\.0"
)
"""The Hub's identifiers. Licenses that must be accepted first, and ``other``, are not listed."""


def may_be_passed_on(license: str) -> bool:
    """Whether a license, by the Hub's identifier, lets everyone pass the files on."""
    return _PASS_ON.fullmatch(license.lower()) is not None
