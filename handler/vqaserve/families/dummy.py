"""A family without weights, for tests: the answer is a function of the picture and what is asked.

It loads at once, and each answer shows the picture and the question that it belongs to, so a test sees when requests
of a batch are mixed up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from PIL.Image import Image

from vqaserve.families.base import Family
from vqaserve.families.options import Options, read_options
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query


class Dummy(Family[str, list[str]]):
    """Answers with the picture's size, its middle pixel and what was asked, or ranks the labels that were sent."""

    tasks: ClassVar[frozenset[str]] = frozenset(
        {"visual_question_answering", "image_classification", "zero_shot_image_classification"}
    )

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Create the family; there is nothing to load.

        Raises:
            RecipeError: The recipe has options; this family takes none.
        """
        del folder
        read_options(Options, settings)
        return cls()

    def encode(self, pictures: Sequence[Image]) -> list[str]:
        """``WIDTHxHEIGHT #rrggbb`` of each picture."""
        return [_describe(picture) for picture in pictures]

    def forward(self, features: Sequence[str], queries: Sequence[Query]) -> list[str]:
        """The picture's description and the question, joined."""
        return [f"{feature}: {query.question}" for feature, query in zip(features, queries, strict=True)]

    def decode(self, outputs: list[str], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """The candidate labels, or the joined text and runners-up ``... (2)``, ``... (3)``, with halving scores.

        The label that holds the picture's middle pixel (``#rrggbb``) is the first; the others keep their order.
        """
        ranked = []
        for text, query in zip(outputs, queries, strict=True):
            runners_up = [f"{text} ({rank})" for rank in range(2, (query.top_k or 1) + 1)]
            pixel = text.split()[1].rstrip(":")
            labels = () if query.question else query.labels
            texts = sorted(labels, key=lambda label: pixel not in label) or [text, *runners_up]
            ranked.append(tuple(Answer(one, 0.5 ** (n + 1)) for n, one in enumerate(texts[: query.top_k])))
        return ranked


def _describe(picture: Image) -> str:
    pixel = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return f"{picture.width}x{picture.height} #" + "".join(f"{int(value):02x}" for value in pixel)
