"""Base classes of the three parts of a modular model; the parts themselves are in the files named after them."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from vqaserve.families.modular.options import Pixels


class ImageEncoder(nn.Module):
    """A picture encoder, which maps pixels to a grid of feature vectors of ``channels`` values.

    Attributes:
        grid: Rows and columns of the grid; (1, 1) if one vector describes the whole picture.
        channels: Values of each cell.
    """

    grid: tuple[int, int]
    channels: int

    @property
    def cells(self) -> int:
        """Cells of the grid, which ``forward`` gives row by row."""
        rows, columns = self.grid
        return rows * columns

    def __init__(self, options: Any, pixels: Pixels) -> None:
        super().__init__()


class TextFeatures(NamedTuple):
    """The encoded questions of a batch.

    Attributes:
        states: One vector per token [n, length, width].
        mask: True for tokens, false for padding [n, length].
        summary: One vector per question [n, width].
    """

    states: Tensor
    mask: Tensor
    summary: Tensor


class TextEncoder(nn.Module):
    """A question encoder, whose vectors have ``width`` values."""

    width: int

    def __init__(self, options: Any, vocabulary: int, max_tokens: int) -> None:
        super().__init__()


class Fusion(nn.Module):
    """A fusion, which maps picture and question features to one vector of ``width`` values."""

    width: int
    of_picture: ClassVar[tuple[str, ...]] = ()
    """Names of the linear layers that depend on a picture's cell alone, not on the question."""

    def __init__(self, options: Any, image: ImageEncoder, text: TextEncoder) -> None:
        super().__init__()


def projection(before: int, after: int | None) -> nn.Module:
    """A linear layer to ``after`` values, or the identity if ``after`` is None."""
    return nn.Identity() if after is None else nn.Linear(before, after)
