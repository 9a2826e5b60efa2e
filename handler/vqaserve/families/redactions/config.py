"""``weights/config.json`` of a ``redactions`` model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from vqaserve.json_files import read_json
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import validate_settings

Channels = Annotated[int, Field(gt=0, le=1024)]


class RedactionsConfig(FrozenModel):
    """The network and its calibration.

    Attributes:
        side: Pixels of a page's longer side, as the network sees it.
        channels: Channels of the maps with a cell for 4, 8, 16 and 32 pixels of a page.
        threshold: A cell belongs to a box from this probability on; low, because boxes are judged again.
        temperature: Divisor of a box's logit, fitted so that its confidence is the probability that the box is right.
        bias: Added to the logit after the division.
        page_weight: Share of the logit of the page's surest box that is added too: where one redaction is sure, others
            are likelier, and a box that looks alike on a page without any is less likely to be one.
    """

    side: Annotated[int, Field(ge=64, le=4096)] = 1024
    channels: tuple[Channels, Channels, Channels, Channels] = (16, 32, 64, 96)
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.4
    temperature: Annotated[float, Field(gt=0)] = 1.0
    bias: float = 0.0
    page_weight: float = 0.0

    @classmethod
    def read(cls, path: Path) -> RedactionsConfig:
        """Read ``config.json``.

        Raises:
            RecipeError: The file is missing, is not JSON, or does not validate; the message lists every faulty key.
        """
        return validate_settings(cls, read_json(path), str(path))
