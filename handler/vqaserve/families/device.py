"""The device of a family."""

from __future__ import annotations

import torch

from vqaserve.errors import RecipeError
from vqaserve.settings import HandlerSettings


def prepare_device(settings: HandlerSettings) -> torch.device:
    """Set torch's number of threads, and return the device that the recipe selects.

    Raises:
        RecipeError: The recipe selects a GPU and torch finds none.
    """
    torch.set_num_threads(settings.threads)
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(auto if settings.device == "auto" else settings.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RecipeError(f"device is {settings.device}, but torch finds no GPU; set device: cpu or auto")
    return device
