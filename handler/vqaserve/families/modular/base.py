"""What the three parts of a modular model know of each other; their tables stand in the files named after them."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from vqaserve.families.modular.options import Pixels


class ImageEncoder(nn.Module):
    """What the rest of the model knows of a picture encoder: the shape of its grid."""

    cells: int
    channels: int

    def __init__(self, options: Any, pixels: Pixels) -> None:
        super().__init__()


class TextFeatures(NamedTuple):
    """What a fusion gets of the questions.

    Attributes:
        states: A vector for each token [n, length, width].
        mask: True where there is a token, not padding [n, length].
        summary: A vector for each question [n, width].
    """

    states: Tensor
    mask: Tensor
    summary: Tensor


class TextEncoder(nn.Module):
    """What the rest of the model knows of a question encoder: how wide its vectors are."""

    width: int

    def __init__(self, options: Any, vocabulary: int, max_tokens: int) -> None:
        super().__init__()


class Fusion(nn.Module):
    """What the rest of the model knows of a fusion: how wide its vector is, and which layers see the picture alone."""

    width: int
    of_picture: ClassVar[tuple[str, ...]] = ()
    """Linear layers that a cell of the picture goes through by itself, whatever is asked about it."""

    def __init__(self, options: Any, image: ImageEncoder, text: TextEncoder) -> None:
        super().__init__()


def projection(before: int, after: int | None) -> nn.Module:
    """A linear layer to ``after`` values, or nothing where none is wanted."""
    return nn.Identity() if after is None else nn.Linear(before, after)
