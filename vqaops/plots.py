"""The library that draws plots, an extra: a training that draws at its end asks for it at its start."""

from __future__ import annotations

from importlib.util import find_spec

from vqaserve.errors import RecipeError


def require_matplotlib() -> None:
    """Refuse to begin without matplotlib.

    Raises:
        RecipeError: It is not installed.
    """
    if find_spec("matplotlib") is None:
        raise RecipeError("plots need matplotlib: .venv/bin/pip install -c constraints.txt -e '.[train]'")
