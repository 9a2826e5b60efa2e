"""Boxes on a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A box in fractions of the page; the origin is at the top left.

    Attributes:
        left: Of the page's width.
        top: Of the page's height.
        right: Of the page's width.
        bottom: Of the page's height.
        confidence: Probability that the box is right.
    """

    left: float
    top: float
    right: float
    bottom: float
    confidence: float
