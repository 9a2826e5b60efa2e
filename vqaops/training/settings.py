"""``recipes/<name>/train.yaml`` as a frozen object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vqaserve.families.modular.config import ModularConfig
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_settings

Share = Annotated[float, Field(ge=0, lt=1)]


class Optimisation(FrozenModel):
    """Settings of the optimiser and its schedule.

    Attributes:
        seed: Seed of every random choice.
        epochs: Number of epochs, over which the learning rate falls to 0.
        patience: Stop after this many epochs without improvement on the held-out pictures.
        pictures_per_step: Pictures in a batch; a batch has all questions about its pictures.
        learning_rate: Peak learning rate, reached after ``warmup_epochs``.
        warmup_epochs: Epochs in which the learning rate rises to its peak.
        weight_decay: Weight decay of AdamW.
        clip: Largest norm of the gradient.
        average: Decay of the running mean of the weights; the mean is what is saved.
        bf16: Multiply matrices in bfloat16 where the processor supports it, which is faster.
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
    """Augmentation of the training questions and pictures.

    Attributes:
        mirror: Share of pictures that are mirrored; ``left`` and ``right`` are swapped in their questions.
        paraphrase: Share of questions that are reworded (``vqaops/evaluation/rewording.py``).
        forget_words: Share of words that are replaced by the unknown word.
    """

    mirror: Share = 0.0
    paraphrase: Share = 0.0
    forget_words: Share = 0.0


class TrainSettings(FrozenModel):
    """All settings of ``scripts/train.py`` except the location of the data.

    Attributes:
        model: The architecture, which is saved as ``weights/config.json``.
        tokenizer: ``words`` knows every word of the training questions; ``minilm`` knows the word pieces of MiniLM that
            occur in them, and single characters for all other words.
        freeze_image_encoder: Start the picture encoder from ImageNet weights, do not train it, and encode each picture
            once.
        held_out: Share of the training pictures that are held out for early stopping and for the temperature.
        optimisation: Settings of the optimiser.
        augmentation: Augmentation of the data.
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

    def without_picture(self) -> TrainSettings:
        """Return settings of the same model with a picture encoder that gives every picture the same features."""
        model = self.model.model_dump() | {"image_encoder": {"name": "blind"}}
        return self.model_copy(update={"model": ModularConfig.model_validate(model), "freeze_image_encoder": False})
