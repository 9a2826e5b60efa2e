"""The interface of answer generators, the part of the family that depends on a model's architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor

from vqaserve.families.generation import GeneratedAnswer, GenerationSettings


class AnswerGenerator(ABC):
    """Encodes pictures and generates answers about them."""

    auto: Any
    """The transformers class that loads the model."""

    def __init__(self, model: Any, processor: Any, prompt: str, device: torch.device) -> None:
        self.model = model.to(device)
        self.processor = processor
        self.prompt = prompt
        self.device = device

    @classmethod
    @abstractmethod
    def load(cls, model: Any, processor: Any, prompt: str | None, device: torch.device) -> Self:
        """Build a generator with the recipe's prompt, or with the architecture's own if ``prompt`` is None.

        Raises:
            RecipeError: The model or the prompt cannot be served.
        """

    @abstractmethod
    def encode(self, pictures: Sequence[Image]) -> Sequence[Any]:
        """The features of each picture, which can be cached."""

    @abstractmethod
    def generate(
        self, features: Sequence[Any], questions: Sequence[str], settings: GenerationSettings
    ) -> list[list[GeneratedAnswer]]:
        """Generate the answers to each question, most probable first."""

    def warnings(self, question: str) -> tuple[str, ...]:
        """What of the question the model does not read."""
        del question
        return ()

    def to_device(self, tensor: Tensor) -> Tensor:
        """Move a tensor to the model's device; floating-point tensors also get the model's type."""
        return tensor.to(self.device, self.model.dtype) if tensor.is_floating_point() else tensor.to(self.device)
