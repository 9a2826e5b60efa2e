"""``weights/config.json``; unknown keys and values are refused with what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from vqaserve.families.modular.fusions import FUSIONS, FusionOptions
from vqaserve.families.modular.image_encoders import IMAGE_ENCODERS, ImageEncoderOptions
from vqaserve.families.modular.options import PartOptions, Pixels, Size
from vqaserve.families.modular.text_encoders import TEXT_ENCODERS, TextEncoderOptions
from vqaserve.json_files import read_json
from vqaserve.yaml_files import validate_settings

TABLES: dict[str, dict[str, Any]] = {
    "image_encoder": IMAGE_ENCODERS,
    "text_encoder": TEXT_ENCODERS,
    "fusion": FUSIONS,
}


class ModularConfig(PartOptions):
    """The architecture of a model, without its weights, vocabulary and answers.

    Attributes:
        pixels: Preprocessing of pictures.
        image_encoder: A name in ``IMAGE_ENCODERS`` and its options.
        text_encoder: A name in ``TEXT_ENCODERS`` and its options.
        fusion: A name in ``FUSIONS`` and its options.
        max_tokens: Maximum number of tokens of a question; longer ones are truncated.
        heads: Number of copies of text encoder, fusion and classifier, each trained from its own initialisation. Their
            probabilities are averaged. The picture encoder exists once.
        temperature: Divisor of the logits, calibrated so that a score is the probability that the answer is right.
    """

    pixels: Pixels
    image_encoder: ImageEncoderOptions
    text_encoder: TextEncoderOptions
    fusion: FusionOptions
    max_tokens: Size = 32
    heads: Annotated[int, Field(gt=0, le=16)] = 1
    temperature: Annotated[float, Field(gt=0)] = 1.0

    @classmethod
    def read(cls, path: Path) -> ModularConfig:
        """Read ``config.json``.

        Raises:
            RecipeError: The file is missing, is not JSON, or does not validate; the message lists every faulty key.
        """
        return validate_settings(cls, read_json(path), str(path))
