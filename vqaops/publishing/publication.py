"""What is uploaded into one repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Publication:
    """The files of one repository on the Hub.

    Attributes:
        kind: ``model`` or ``space``.
        files: The local file for each path in the repository.
        folders: Folders of the repository that hold nothing else: what is in them and not in ``files`` is removed, so
            that weights of an earlier version are not loaded with the new ones.
        license: The Hub's license identifier of the card.
        license_name: The card's name of a license that has no identifier (``other``).
        left_out: Paths of local files that are not uploaded.
        variables: Public environment variables of a Space.
    """

    kind: Literal["model", "space"]
    files: Mapping[str, Path]
    folders: tuple[str, ...]
    license: str
    license_name: str = ""
    left_out: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        """Size in bytes of each file."""
        return {name: path.stat().st_size for name, path in self.files.items()}
