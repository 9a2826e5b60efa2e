"""The chat page as a Space on the Hub: the page, the server, and a small model to start with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vqaops.building.archive_content import files_in
from vqaops.paths import ROOT
from vqaops.publishing.publication import Publication
from vqaserve.errors import RecipeError
from vqaserve.text_files import read_text

try:
    from huggingface_hub import SpaceCard
except ModuleNotFoundError:
    raise RecipeError("huggingface-hub is not installed; .venv/bin/pip install -c constraints.txt -e '.[hf]'") from None

FOLDERS = ("handler", "vqaops", "demo", "deploy", "recipes/shapes")
"""Folders that the page and the server need."""
FILES = (
    "scripts/__init__.py",
    "scripts/space.py",
    "docs/openapi.json",
    "config.properties",
    "pyproject.toml",
    "constraints.txt",
    "LICENSE",
)
MOVED = {"demo/README.md": "README.md", "demo/Dockerfile": "Dockerfile"}
"""The Space's own files, which the Hub reads at the top."""


def space_publication(variables: Mapping[str, str], root: Path = ROOT) -> Publication:
    """The files of the Space.

    Args:
        variables: Public environment variables of the Space, such as ``MODEL_REPO_ID``.
        root: The project's folder.

    Raises:
        RecipeError: A file is missing, or the card's front matter is not that of a Space with Docker.
    """
    names = [*FILES, *(f"{folder}/{name}" for folder in FOLDERS for name in files_in(root / folder))]
    files = {MOVED.get(name, name): root / name for name in names}
    for name in [*FILES, *MOVED.values()]:
        if name not in files or not files[name].is_file():
            raise RecipeError(f"{name} of the Space is missing in {root}; check the project out again")
    folders = tuple(f"{folder}/" for folder in ("scripts", *FOLDERS))
    return Publication("space", files, folders, _license(files["README.md"]), variables=variables)


def _license(card: Path) -> str:
    """The license of the Space's card, whose front matter is checked on the way.

    Raises:
        RecipeError: The front matter is not YAML, or does not say that the Space runs a Docker image.
    """
    try:
        data = vars(SpaceCard(read_text(card)).data)
    except Exception as error:  # noqa: BLE001 - besides ValueError, those of the YAML library
        raise RecipeError(f"the front matter of {card} cannot be read: {' '.join(str(error).split())}") from None
    if data.get("sdk") != "docker" or not data.get("app_port"):
        raise RecipeError(f"the front matter of {card} must have sdk: docker and app_port")
    return str(data.get("license") or "unknown")
