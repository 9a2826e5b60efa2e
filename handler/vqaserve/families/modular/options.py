"""The base of what ``config.json`` says of each part of the model."""

from __future__ import annotations

from typing import Annotated, Literal

from PIL.Image import Resampling
from pydantic import BaseModel, ConfigDict, Field

from vqaserve.types import Squeeze

Size = Annotated[int, Field(gt=0, le=65536)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class PartOptions(BaseModel):
    """Options of one part; each subclass adds a literal ``name``, by which it is found in its table."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def share_out(width: int, heads: int) -> None:
    """See to it that attention heads can be equally wide.

    Raises:
        ValueError: They cannot; pydantic turns it into a complaint about the part.
    """
    if width % heads:
        raise ValueError(f"width {width} cannot be shared out evenly to {heads} heads")


class Pixels(PartOptions):
    """How a picture becomes numbers: squeezed to ``width`` x ``height``, then ``(0..255 - mean) / std``.

    ``resample`` is Pillow's filter. ``bilinear`` is also what torchvision's ``Resize`` does to a Pillow image;
    ``bicubic`` is what Pillow's own ``resize`` does when nothing is said.
    """

    width: Size
    height: Size
    resample: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)

    @property
    def squeeze(self) -> Squeeze:
        """The first of it."""
        return Squeeze(self.width, self.height, Resampling[self.resample.upper()])
