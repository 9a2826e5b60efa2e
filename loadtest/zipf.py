"""Zipf's law, by which a few questions are asked most of the time."""

from __future__ import annotations

EXPONENT = 1.0


def zipf_weights(count: int) -> list[float]:
    """Return relative frequencies: the item of rank r, from 1, has ``1 / r ** EXPONENT``."""
    return [1 / rank**EXPONENT for rank in range(1, count + 1)]
