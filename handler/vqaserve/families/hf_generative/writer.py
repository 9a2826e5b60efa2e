"""What writes answers: the part of the family that depends on how a model takes its picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor

from vqaserve.families.generation import Manner, Written


class Writer(ABC):
    """Prepares pictures and writes answers about them."""

    auto: Any
    """The class that loads the model."""

    def __init__(self, model: Any, processor: Any, prompt: str, device: torch.device) -> None:
        self.model = model.to(device)
        self.processor = processor
        self.prompt = prompt
        self.device = device

    @classmethod
    @abstractmethod
    def load(cls, model: Any, processor: Any, prompt: str | None, device: torch.device) -> Self:
        """A writer with the recipe's prompt, or without one the architecture's own.

        Raises:
            RecipeError: The model or the prompt cannot be served.
        """

    @abstractmethod
    def encode(self, pictures: Sequence[Image]) -> Sequence[Any]:
        """What can be kept of each picture."""

    @abstractmethod
    def write(self, features: Sequence[Any], questions: Sequence[str], manner: Manner) -> list[list[Written]]:
        """The answers to each question, most probable first."""

    def place(self, tensor: Tensor) -> Tensor:
        """On the model's device; a number with a fraction in the model's arithmetic."""
        return tensor.to(self.device, self.model.dtype) if tensor.is_floating_point() else tensor.to(self.device)
