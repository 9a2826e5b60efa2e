"""A figure beside its limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A figure beside its limit.

    Attributes:
        name: What is measured.
        figure: The figure.
        limit: The limit, with its comparison: ``<= 0.35``.
        detail: The figures behind it.
    """

    name: str
    figure: float
    limit: str
    detail: str

    @property
    def holds(self) -> bool:
        """Whether the figure is within its limit."""
        sign, _, value = self.limit.partition(" ")
        return self.figure <= float(value) if sign == "<=" else self.figure >= float(value)
