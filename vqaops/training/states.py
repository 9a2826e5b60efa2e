"""Files from which an interrupted run resumes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import torch

from vqaserve.errors import RecipeError

log = logging.getLogger(__name__)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a file for ``load_state``; an interruption leaves the old file or the new one.

    Args:
        path: The file; its folder is made.
        state: Tensors and what JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(dict(state), partial)
    partial.replace(path)


def resume_state(path: Path, keys: Set[str], same: Mapping[str, object]) -> dict[str, Any] | None:
    """Load the state that a run goes on from; None, and a line in the log, if there is none that fits.

    Args:
        path: The file.
        keys: What it must hold.
        same: The parts that must be as they were, such as the settings.

    Raises:
        RecipeError: As ``load_state``.
    """
    if not path.exists():
        return None
    state = load_state(path, keys)
    for name, wanted in same.items():
        if state[name] != wanted:
            log.info("%s is of other %s; starting from the beginning", path, name)
            return None
    return state


def load_state(path: Path, keys: Set[str]) -> dict[str, Any]:
    """Load a file that a training run saved.

    Args:
        path: The file.
        keys: What it must hold.

    Raises:
        RecipeError: The file is damaged, or something else or another version wrote it.
    """
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises nearly anything on damaged files
        raise RecipeError(
            f"{path} cannot be read ({type(error).__name__}); delete it to start from the beginning"
        ) from None
    if not isinstance(state, dict) or not keys <= state.keys():
        raise RecipeError(f"{path} is not a state of a training run; delete it to start from the beginning")
    return state
