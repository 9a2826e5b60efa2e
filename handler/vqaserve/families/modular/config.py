"""``weights/config.json`` as one frozen object; an unknown key or value is refused with what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from vqaserve.errors import RecipeError
from vqaserve.families.modular.fusions import FUSIONS, FusionOptions
from vqaserve.families.modular.image_encoders import IMAGE_ENCODERS, ImageEncoderOptions
from vqaserve.families.modular.options import PartOptions, Pixels, Size
from vqaserve.families.modular.text_encoders import TEXT_ENCODERS, TextEncoderOptions
from vqaserve.validation import describe_faults

TABLES: dict[str, dict[str, Any]] = {
    "image_encoder": IMAGE_ENCODERS,
    "text_encoder": TEXT_ENCODERS,
    "fusion": FUSIONS,
}


class ModularConfig(PartOptions):
    """A whole model but for its weights, vocabulary and answers.

    Attributes:
        pixels: How a picture becomes numbers.
        image_encoder: A name in ``IMAGE_ENCODERS`` and its options.
        text_encoder: A name in ``TEXT_ENCODERS`` and its options.
        fusion: A name in ``FUSIONS`` and its options.
        max_tokens: A longer question is cut.
        heads: Text encoder, fusion and classifier are held this many times over, each trained from another
            start; their probabilities are averaged. The picture is encoded once for all.
        temperature: Logits are divided by it, so that a score means how often the answer is right.
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
            RecipeError: The file is missing, is not JSON, or does not validate; with every key at fault.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RecipeError(f"{path} is missing; a modular model needs one") from None
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path}: not UTF-8 text ({error.reason})") from None
        except ValidationError as error:
            raise RecipeError(f"{path}: {describe_faults(cls, error)}") from None
