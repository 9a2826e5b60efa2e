"""The interface of a model family: load, encode, forward and decode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from PIL.Image import Image

from vqaserve.attribution import Attribution
from vqaserve.calibration import Arithmetic, Machine
from vqaserve.errors import InvalidParameter
from vqaserve.families.rule import left_open
from vqaserve.pictures import Squeeze
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query
from vqaserve.writing import Progress

Features = TypeVar("Features")
Outputs = TypeVar("Outputs")


class Family(ABC, Generic[Features, Outputs]):
    """Turns queries into ranked answers in three steps: ``encode``, ``forward`` and ``decode``.

    Pictures are encoded separately, so that their features can be cached and the next question about a picture costs
    only ``forward``. An answer must not depend on the other queries of a batch or on their order, so padding is masked
    (``tests/unit/vqaserve/families/test_contract.py`` checks this for every family).
    """

    tasks: ClassVar[frozenset[str]]
    """Names of the tasks that this family supports."""

    precision: str = "fp32"
    """The precision in use; it differs from the recipe's where that is ``auto``."""

    runtime: str = "torch"
    """The library that computes the network."""

    shares: ClassVar[bool] = False
    """Whether features can be converted to bytes, so that the workers of a version can share them."""

    writes: ClassVar[bool] = False
    """Whether answers are written token by token, so that ``Query.stop`` can end one."""

    learns: ClassVar[str] = ""
    """What of the model learns from questions (``vqaops/finetuning/tuning.py``): ``heads``, ``last layer``,
    ``adapter``, or nothing."""

    @property
    def reads_conversations(self) -> bool:
        """Whether ``forward`` reads all turns and pictures of a conversation; else it gets the last question alone."""
        return False

    @property
    def caches(self) -> Mapping[str, Mapping[str, int]]:
        """``hits``, ``misses``, ``size`` and ``limit`` of each cache that the family keeps itself, by its name."""
        return {}

    @property
    def squeeze(self) -> Squeeze | None:
        """The resizing that ``encode`` begins with, or None where it depends on the picture.

        It is applied when a picture is opened, and repeating it changes nothing. So fewer pixels are transferred, and
        large photographs can be decoded at a fraction of their size.
        """
        return None

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of cells that ``hide`` takes, or None if the features have no such grid."""
        return None

    def hide(self, features: Features, hidden: Sequence[int]) -> Features:
        """The features of the same picture without what is seen in some cells of its grid.

        Args:
            features: Of a picture, which stay as they are.
            hidden: The cells, counted row by row from the top left.
        """
        raise NotImplementedError

    def attribute(self, features: Features, query: Query, answer: str) -> Attribution | None:
        """What an answer rests on, by the family's own exact method; None if it has none here, and parts are hidden.

        Args:
            features: As of ``forward``.
            query: The question.
            answer: The answer to explain.

        Raises:
            InvalidParameter: The model does not give the answer.
        """
        del features, query, answer
        return None

    @property
    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """The lowest and the highest value of each parameter that this family takes in ``Query.parameters``."""
        return {}

    def check(self, query: Query) -> None:
        """Refuse what the family does not take, and parameters whose values are out of range.

        Raises:
            InvalidParameter: The message says what is allowed.
        """
        if query.stop and not self.writes:
            raise InvalidParameter("this model does not write its answers token by token; leave out 'stop'")
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
    def candidates(cls, folder: Path, settings: HandlerSettings) -> Sequence[Arithmetic]:
        """The ways to compute on this machine's CPU that a recipe with ``auto`` leaves open.

        A calibration measures them. ``load`` must take each in the settings. Models that write are not measured,
        because their probe takes minutes.

        Args:
            folder: The root of the recipe or of the unpacked archive.
            settings: The recipe's ``handler:`` section.
        """
        del folder
        ways = left_open(settings, Machine.here().flags)
        return ways[:1] if cls.writes else ways

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load weights *and* preprocessing from an archive's folder only.

        Args:
            folder: The root of the recipe or of the unpacked archive.
            settings: The recipe's ``handler:`` section; ``settings.weights`` names the sub-folder of the weights.

        Raises:
            RecipeError: A file is missing or does not match the others; the message says which, and what would fit.
        """

    @abstractmethod
    def encode(self, pictures: Sequence[Image]) -> Sequence[Features]:
        """Compute the features of each RGB picture, in order."""

    def join(self, features: Sequence[Features]) -> Features:
        """Join the features of all pictures of a conversation to what ``forward`` takes for one query."""
        return features[-1]

    def examine(self, features: Features, query: Query) -> None:
        """Refuse a query whose pictures and texts together are over a limit; called before ``forward``.

        Raises:
            InvalidInput: The message says which limit.
        """

    @abstractmethod
    def forward(self, features: Sequence[Features], queries: Sequence[Query]) -> Outputs:
        """Compute the outputs for ``queries[i]`` about ``features[i]``; the same features may occur several times."""

    def write(self, features: Sequence[Features], queries: Sequence[Query], progress: Progress) -> Outputs:
        """Compute what ``forward`` does, and report to ``progress`` what is written; not every family writes.

        ``progress`` can say that a row is abandoned. Its answer is not used then, and may be what was written so far.
        """
        del progress
        return self.forward(features, queries)

    @abstractmethod
    def decode(self, outputs: Outputs, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """Return ``queries[i].top_k`` answers for each query, best first, with scores in [0, 1]."""

    def to_bytes(self, features: Features) -> bytes:
        """Convert features to bytes for another process, if ``shares`` is true."""
        raise NotImplementedError

    def from_bytes(self, data: bytes) -> Features:
        """Restore the features that ``to_bytes`` converted, bit for bit, on this worker's device."""
        raise NotImplementedError
