"""The base of the families that generate their answers as text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from vqaserve.families.answer_logits import AnswerLogits
from vqaserve.families.base import Family, Features, Outputs
from vqaserve.families.generation import check_parameters, parameter_ranges
from vqaserve.limits import Limits
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query
from vqaserve.writing import Progress


class GenerativeFamily(Family[Features, Outputs]):
    """A family that takes the parameters of a search or of sampling, within the recipe's limits."""

    writes: ClassVar[bool] = True

    learns: ClassVar[str] = "adapter"

    limits: Limits

    model: Any
    """The network."""

    @classmethod
    @abstractmethod
    def load_base(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load as ``load`` does, in fp32 and without the LoRA adapter, which a training adds or goes on with.

        Raises:
            RecipeError: As ``load``.
        """

    @property
    @abstractmethod
    def decoder(self) -> Any:
        """The part of ``model`` that writes, whose attention an adapter changes."""

    @abstractmethod
    def answer_logits(
        self, features: Sequence[Features], queries: Sequence[Query], answers: Sequence[str]
    ) -> list[AnswerLogits]:
        """The logits for ``answers[i]``, given ``queries[i]`` about ``features[i]``, with gradients.

        Raises:
            RecipeError: The architecture cannot be trained in this way.
        """

    @property
    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """The range of each parameter of a search or of sampling."""
        return parameter_ranges(self.limits)

    def forward(self, features: Sequence[Features], queries: Sequence[Query]) -> Outputs:
        """``write`` without anybody who waits for what is written."""
        return self.write(features, queries, Progress())

    @abstractmethod
    def write(self, features: Sequence[Features], queries: Sequence[Query], progress: Progress) -> Outputs:
        """Write the answers to ``queries[i]`` about ``features[i]``, and report what is written."""

    def check(self, query: Query) -> None:
        """Refuse parameters that are out of range, or that exclude each other.

        Raises:
            InvalidParameter: The message says what is allowed.
        """
        super().check(query)
        check_parameters(query)
