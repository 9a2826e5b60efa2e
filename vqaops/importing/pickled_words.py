"""Pickled vocabularies, read without importing or running anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from vqaops.importing import inert_pickle
from vqaops.importing.inert_pickle import Placeholder, UnsafePickleError
from vqaserve.errors import RecipeError
from vqaserve.file_kinds import PICKLE, describe

MAX_BYTES: Final = 64 * 1024 * 1024
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INTEGERS: Final = "pickle.dump({word: int(number) for word, number in vocabulary.items()}, file)"
_REMEDY: Final = "save the dictionary alone: pickle.dump(dict(vocabulary), file)"


def read_words(path: Path) -> dict[str, int]:
    """Read a vocabulary from a pickled dictionary of words and numbers.

    ``OrderedDict``, ``Counter``, ``defaultdict`` and numpy's integers are accepted too.

    Raises:
        RecipeError: The file is missing, too large or damaged, names something that runs code, or holds anything but
            words and whole numbers.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise RecipeError(f"{path} is {what}; a pickled dictionary from words to numbers is needed")
    if path.stat().st_size > MAX_BYTES:
        raise RecipeError(f"{path} has {path.stat().st_size:,} bytes; a vocabulary has at most {MAX_BYTES:,}")
    words = _load(path)
    if isinstance(words, Placeholder):
        raise RecipeError(f"{path} holds an object of {words.source}, not a dictionary; {_REMEDY}")
    if not isinstance(words, dict):
        raise RecipeError(f"{path} holds a {type(words).__name__}, not a dictionary from words to numbers; {_REMEDY}")
    for word, number in words.items():
        # `type`, not `isinstance`: True is an int.
        if type(word) is not str or type(number) is not int:
            raise RecipeError(
                f"{path} maps {_shown(word)} to {_shown(number)}; a vocabulary maps words to whole numbers: "
                f"{_REMEDY if isinstance(number, dict | str) else _INTEGERS}"
            )
        if _LONE_SURROGATE.search(word):
            raise RecipeError(f"{path} holds the word {word!r:.60}, which is not Unicode text; leave it out")
    return dict(words)


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return inert_pickle.load(file)
    except UnsafePickleError as error:
        raise RecipeError(
            f"{path} is refused: it asks to import {error}, which a vocabulary never needs; nothing of it was run. If "
            f"you trust who made it, {_REMEDY}"
        ) from None
    except Exception as error:  # noqa: BLE001 - damaged pickles raise nearly anything
        kind = describe(path)
        if kind in (None, PICKLE):  # KeyError: a byte that begins nothing in a pickle
            reason = "its bytes are no pickle" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        else:
            reason = f"it is {kind}"
        raise RecipeError(f"{path} is not a pickled dictionary ({reason:.200})") from None


def _shown(value: Any) -> str:
    return f"an object of {value.source}" if isinstance(value, Placeholder) else f"{value!r:.60}"
