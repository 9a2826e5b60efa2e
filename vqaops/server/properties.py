"""TorchServe's ``config.properties``: read as its Java reads it, and written so that every value arrives unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import javaproperties

from vqaops.errors import ServerError


def read_properties(path: Path) -> dict[str, str]:
    r"""The properties of a file, without the blanks around them.

    Java's grammar: ``=``, ``:`` or a blank after a key, comments after ``#`` or ``!``, a backslash that continues a
    line, and ``\uXXXX``. The file is read as UTF-8, with or without byte order mark, and as Latin-1, Java's own
    encoding, where it is not UTF-8.

    Raises:
        ServerError: The file is missing, unreadable, or holds a broken ``\u`` escape.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ServerError(
            f"{path} cannot be read: {error.strerror}; give TorchServe's properties with --config"
        ) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    try:
        return {key: value.strip() for key, value in javaproperties.loads(text).items()}
    except ValueError as error:
        raise ServerError(f"{path} is not a properties file ({error}); write a backslash as two") from None


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    r"""Write properties in ASCII: backslashes, separators and line ends escaped, other characters as ``\uXXXX``."""
    path.write_text(javaproperties.dumps(properties, timestamp=None), encoding="ascii")
