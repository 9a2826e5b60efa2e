"""``recipes/<name>/train.yaml`` as one frozen object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vqaserve.families.modular.config import ModularConfig
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_settings

Share = Annotated[float, Field(ge=0, lt=1)]


class Optimisation(FrozenModel):
    """How the weights are found.

    Attributes:
        seed: Every random choice follows from it.
        epochs: The learning rate has fallen to nothing after so many.
        patience: Stop when so many epochs in a row brought nothing on the held-out pictures.
        pictures_per_step: All questions about a picture are asked in the same step.
        learning_rate: Its peak, after ``warmup_epochs``.
        weight_decay: AdamW's.
        clip: Largest norm of a gradient.
        average: Weight of the past in the running mean of the weights, which is what is kept.
        bf16: Multiply matrices in bfloat16; faster where the processor can.
    """

    seed: int = 0
    epochs: Annotated[int, Field(gt=0)]
    patience: Annotated[int, Field(gt=0)]
    pictures_per_step: Annotated[int, Field(gt=0)]
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_epochs: Annotated[float, Field(gt=0)] = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    average: Share = 0.995
    bf16: bool = False


class Augmentation(FrozenModel):
    """How the training questions and pictures are varied.

    Attributes:
        mirror: Share of pictures mirrored, with ``left`` and ``right`` swapped in their questions.
        paraphrase: Share of questions asked in another wording (``vqaops/evaluation/rewording.py``).
        forget_words: Share of words replaced by the unknown word.
    """

    mirror: Share = 0.0
    paraphrase: Share = 0.0
    forget_words: Share = 0.0


class TrainSettings(FrozenModel):
    """Everything that ``scripts/train.py`` needs to know but where the data is.

    Attributes:
        model: What becomes ``weights/config.json``.
        tokenizer: ``words``: every word of the training questions; ``minilm``: the pieces of MiniLM's
            vocabulary that occur in them, smaller pieces for the rest.
        freeze_image_encoder: Start from ImageNet weights, leave them, and encode each picture only once.
        held_out: Share of the training pictures kept apart, for early stopping and for the temperature.
    """

    model: ModularConfig
    tokenizer: Literal["words", "minilm"]
    freeze_image_encoder: bool
    held_out: Annotated[float, Field(gt=0, lt=1)]
    optimisation: Optimisation
    augmentation: Augmentation = Augmentation()

    @classmethod
    def read(cls, path: Path) -> TrainSettings:
        """Read a ``train.yaml``.

        Raises:
            RecipeError: The file cannot be read, is not YAML, or has an unknown key, a missing key or a bad value.
        """
        return read_settings(cls, path)

    def blind(self) -> TrainSettings:
        """The text-only twin: the same but for a picture encoder that sees nothing."""
        model = self.model.model_dump() | {"image_encoder": {"name": "blind"}}
        return self.model_copy(update={"model": ModularConfig.model_validate(model), "freeze_image_encoder": False})
