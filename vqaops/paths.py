"""The standard folders and files of a checkout."""

from __future__ import annotations

import errno
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HANDLER = ROOT / "handler"
"""Code that every archive contains besides its recipe."""
RECIPES = ROOT / "recipes"
SERVED = (RECIPES / "shapes", RECIPES / "rooms")
"""The recipes that a start serves, and that load tests ask, unless others are named."""
MODEL_STORE = ROOT / "model_store"
RUN = ROOT / "run"
"""Run folder of the server that ``make serve`` starts; reports of load tests are written there too."""
CONFIG = ROOT / "config.properties"
"""TorchServe's properties."""
DEPLOY = ROOT / "deploy"


def resolved(path: Path) -> Path:
    """As ``path.resolve()``, for paths that a user gives.

    Raises:
        OSError: The path is a loop of links, or is not UTF-8, which TorchServe and the state file need.
    """
    try:
        found = path.resolve()
        str(found).encode()
    except RuntimeError:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "the path is not UTF-8; rename it", str(path)) from None
    return found


def short_path(path: Path) -> Path:
    """The path relative to the working directory if it lies below it, else absolute; for messages."""
    path, here = resolved(path), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
