"""Bases of the options that ``config.json`` gives to each part of a model."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from PIL.Image import Resampling
from pydantic import Field, model_validator

from vqaserve.pictures import Squeeze
from vqaserve.validation import FrozenModel

Size = Annotated[int, Field(gt=0, le=65536)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class PartOptions(FrozenModel):
    """Options of one part; each subclass adds a literal ``name``, the part's key in its table."""


class AttentionOptions(PartOptions):
    """Options of a part with multi-head attention, whose width must be a multiple of the number of heads.

    Attributes:
        attention_width: The field that holds the attention's width.
        attention_heads: Number of heads.
    """

    attention_width: ClassVar[str] = "width"
    attention_heads: Size

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        width = getattr(self, self.attention_width)
        if width % self.attention_heads:
            raise ValueError(f"{self.attention_width} {width} is not a multiple of {self.attention_heads} heads")
        return self


class GridOptions(PartOptions):
    """Options of a picture encoder whose grid can be averaged.

    Attributes:
        pooled: Whether the grid is averaged to one cell.
        projection: Width of a linear layer after the encoder; None means no such layer.
    """

    pooled: bool = True
    projection: Size | None = None


class Pixels(PartOptions):
    """Preprocessing of a picture: resized to ``width`` x ``height``, then ``(0..255 - mean) / std``.

    ``resample`` is Pillow's filter. ``bilinear`` is also the default of torchvision's ``Resize``, ``bicubic`` that of
    Pillow's ``Image.resize``.
    """

    width: Size
    height: Size
    resample: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)

    @property
    def squeeze(self) -> Squeeze:
        """The resizing step."""
        return Squeeze(self.width, self.height, Resampling[self.resample.upper()])
