"""The interface of answer generators, the part of the family that depends on a model's architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor

from vqaserve.families.answer_logits import AnswerLogits
from vqaserve.families.following import Listener
from vqaserve.families.generated import GeneratedAnswer
from vqaserve.families.generation import GenerationSettings, group_by_settings
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query


class AnswerGenerator(ABC):
    """Encodes pictures and generates answers about them."""

    auto: Any
    """The transformers class that loads the model."""

    reads_conversations: bool = False
    """Whether earlier turns and several pictures can be in a prompt."""

    def __init__(self, model: Any, processor: Any, prompt: str, device: torch.device) -> None:
        self.model = model.to(device)
        self.processor = processor
        self.prompt = prompt
        self.device = device

    @classmethod
    @abstractmethod
    def load(
        cls, model: Any, processor: Any, prompt: str | None, device: torch.device, settings: HandlerSettings
    ) -> Self:
        """Build a generator with the recipe's prompt, or with the architecture's own if ``prompt`` is None.

        Raises:
            RecipeError: The model or the prompt cannot be served.
        """

    @abstractmethod
    def encode(self, pictures: Sequence[Image]) -> Sequence[Any]:
        """The features of each picture, which can be cached."""

    def join(self, features: Sequence[Any]) -> Any:
        """The features of all pictures of a conversation, as ``generate`` takes them for one query."""
        return features[-1]

    def examine(self, features: Any, query: Query) -> None:
        """Refuse a query whose prompt is over a limit.

        Raises:
            InvalidQuestion: The message says which limit.
        """
        del features, query

    def generate(
        self, features: Sequence[Any], queries: Sequence[Query], max_new_tokens: int, listener: Listener
    ) -> list[list[GeneratedAnswer]]:
        """Generate the answers to each query, most probable first; those with equal settings in one batch."""
        generated: dict[int, list[GeneratedAnswer]] = {}
        for settings, rows in group_by_settings(queries, max_new_tokens):
            answers = self.generate_alike(
                [features[row] for row in rows], [queries[row] for row in rows], settings, listener.among(rows)
            )
            generated.update(zip(rows, answers, strict=True))
        return [generated[row] for row in range(len(queries))]

    @abstractmethod
    def generate_alike(
        self, features: Sequence[Any], queries: Sequence[Query], settings: GenerationSettings, listener: Listener
    ) -> list[list[GeneratedAnswer]]:
        """Generate the answers to queries with the same settings, with the model's own ``generate``."""

    @property
    @abstractmethod
    def decoder(self) -> Any:
        """The part of the model that writes."""

    @abstractmethod
    def answer_logits(
        self, features: Sequence[Any], queries: Sequence[Query], answers: Sequence[str]
    ) -> list[AnswerLogits]:
        """The logits for given answers.

        Raises:
            RecipeError: The architecture cannot be trained in this way.
        """

    def warnings(self, query: Query) -> tuple[str, ...]:
        """What of a query the model does not read."""
        del query
        return ()

    @property
    def caches(self) -> dict[str, dict[str, int]]:
        """The counters of the generator's own caches, by name."""
        return {}

    def model_changed(self) -> None:  # noqa: B027 - most keep nothing
        """Forget what was computed with the model; called when its precision has changed."""

    def to_device(self, tensor: Tensor) -> Tensor:
        """Move a tensor to the model's device; floating-point tensors also get the model's type."""
        return tensor.to(self.device, self.model.dtype) if tensor.is_floating_point() else tensor.to(self.device)
