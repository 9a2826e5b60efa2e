"""The base of the families that generate their answers as text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from vqaserve.families.base import Family, Features, Outputs
from vqaserve.families.generation import check_parameters, parameter_ranges
from vqaserve.limits import Limits
from vqaserve.types import Query
from vqaserve.writing import Progress


class GenerativeFamily(Family[Features, Outputs]):
    """A family that takes the parameters of a search or of sampling, within the recipe's limits."""

    writes: ClassVar[bool] = True

    limits: Limits

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
