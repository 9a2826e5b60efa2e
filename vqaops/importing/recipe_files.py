"""The files of a recipe that may travel to the Hub and back: data only, nothing that can run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

CONFIG: Final = "model-config.yaml"
CARD: Final = "README.md"
_TOP: Final = frozenset(
    {
        CONFIG,
        CARD,
        "train.yaml",
        "LICENSE",
        "LICENSE.txt",
        "LICENSE.md",
        "NOTICE",
        "NOTICE.txt",
    }
)
_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".svg", ".avif"})
_BY_FOLDER: Final = {
    "": _PICTURES,
    "training": frozenset({".yaml", ".txt"}),
    "samples": _PICTURES | {".jsonl"},
    "unanswerable": _PICTURES | {".jsonl"},
    "weights": frozenset({".safetensors", ".json", ".txt", ".jinja", ".model", ".tiktoken", ".vocab", ".md"}),
}
"""Endings of the files that a recipe consists of, by the folder below the recipe's. A Python file at the top of an
archive would be imported in place of a library, and a pickle runs code where it is loaded: neither is listed."""


def is_recipe(names: Iterable[str]) -> bool:
    """Whether a repository with these files is a recipe of this project."""
    names = set(names)
    return CONFIG in names and any(name.startswith("weights/") for name in names)


def may_travel(name: str) -> bool:
    """Whether a file of a recipe is data, judged by its path relative to the recipe's folder."""
    path = PurePosixPath(name)
    folder = path.parts[0] if len(path.parts) > 1 else ""
    return name in _TOP or path.suffix.lower() in _BY_FOLDER.get(folder, frozenset())
