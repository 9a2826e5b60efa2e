"""What a model takes, and so what it is fuzzed with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from loadtest.fuzz.document_files import document_files
from loadtest.fuzz.picture_files import picture_files

_FIELDS = {"question": "what?", "labels": "a red thing,a blue #0000ff thing", "pages": "1-2"}


@dataclass(frozen=True)
class Target:
    """A model's kind.

    Attributes:
        fields: The fields of a good form besides the picture.
        files: What is sent, whole and damaged.
    """

    fields: Mapping[str, str]
    files: tuple[bytes, ...]

    @classmethod
    def reading(cls, fields: Collection[str]) -> Target:
        """The kind of model that reads these fields; one that reads ``pages`` gets documents too."""
        files = picture_files()
        return cls(
            {name: value for name, value in _FIELDS.items() if name in fields},
            (*files, *document_files()) if "pages" in fields else files,
        )
