"""The base of what ``config.json`` says of each part of the model."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Size = Annotated[int, Field(gt=0, le=65536)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class PartOptions(BaseModel):
    """Options of one part; each subclass adds a literal ``name``, by which it is found in its table."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pixels(PartOptions):
    """How a picture becomes numbers: squeezed to ``width`` x ``height``, then ``(0..255 - mean) / std``."""

    width: Size
    height: Size
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)
