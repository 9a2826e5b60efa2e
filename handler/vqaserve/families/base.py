"""What a model family is to the rest: three verbs and a way to load them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from PIL.Image import Image

from vqaserve.errors import InvalidParameter
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query, Squeeze

Features = TypeVar("Features")
Outputs = TypeVar("Outputs")


class Family(ABC, Generic[Features, Outputs]):
    """Turns queries into ranked answers: ``encode`` the pictures, ``forward``, ``decode``.

    The picture's side is split from the rest so that features of a picture can be kept: the next
    question about it costs only ``forward``. An answer must not depend on what else is in the
    batch, nor on its order; padding is masked (``tests/unit/families/test_contract.py``).
    """

    tasks: ClassVar[frozenset[str]]
    """Names of the tasks that this family can answer."""

    precision: str = "fp32"
    """The arithmetic that it computes in, which is not what the recipe says where that is ``auto``."""

    shares: ClassVar[bool] = False
    """Whether features have a form as bytes, so that the workers of a version can share them."""

    @property
    def squeeze(self) -> Squeeze | None:
        """What ``encode`` does to every picture before all else; None where that depends on the picture.

        It is done where pictures are opened, and then changes nothing any more: fewer pixels go from there to here, and
        photographs of several times that size need not be decoded whole.
        """
        return None

    @property
    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """Lowest and highest allowed value of each of ``Query.parameters`` that this family takes."""
        return {}

    def check(self, query: Query) -> None:
        """Refuse parameters that mean nothing here.

        Raises:
            InvalidParameter: The family does not take it, or its value is out of range.
        """
        for name, value in query.parameters.items():
            if name not in self.parameters:
                taken = ", ".join(["top_k", *self.parameters])
                raise InvalidParameter(f"this model takes no parameter {name!r}; it takes: {taken}")
            lowest, highest = self.parameters[name]
            if not lowest <= value <= highest:
                raise InvalidParameter(f"{name} is {value!s:.40}; it can be {lowest:g} to {highest:g}")

    def warnings(self, query: Query) -> tuple[str, ...]:
        """What of the query the model does not read, such as the end of a long question; one sentence each."""
        del query
        return ()

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load weights *and* preprocessing from an archive's folder, and from nowhere else.

        Args:
            folder: The recipe's or the unpacked archive's root.
            settings: The recipe's ``handler:`` section; ``settings.weights`` names the sub-folder.

        Raises:
            RecipeError: A file is missing or does not fit; the message says which and what would.
        """

    @abstractmethod
    def encode(self, pictures: Sequence[Image]) -> Sequence[Features]:
        """One feature object for each RGB picture, in order."""

    @abstractmethod
    def forward(self, features: Sequence[Features], queries: Sequence[Query]) -> Outputs:
        """The model's outputs for ``queries[i]`` about ``features[i]``; the same feature may recur."""

    @abstractmethod
    def decode(self, outputs: Outputs, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """``queries[i].top_k`` answers for each query, best first, scores in [0, 1]."""

    def to_bytes(self, features: Features) -> bytes:
        """Features for another process, where the family ``shares`` them."""
        raise NotImplementedError

    def from_bytes(self, data: bytes) -> Features:
        """What ``to_bytes`` was given, to the last bit, on this worker's device."""
        raise NotImplementedError
