"""``train.yaml`` of a classifier of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from vqaserve.families.torchvision_classifier.config import Side
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_settings

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]

LITE0, DETAILS = "efficientnet_lite0", "efficientnet_lite0_details"
LITE = (LITE0, DETAILS)
"""The bases whose ImageNet weights come in a package."""


class ClassTrainSettings(FrozenModel):
    """All settings except the location of the pictures.

    Attributes:
        family: Of the recipe: ``hf_image_classifier`` if the base is a folder of Hugging Face's.
        base: The network that is kept as it is: ``efficientnet_lite0`` with its ImageNet weights, for things;
            ``efficientnet_lite0_details``, for surfaces and small faults; the folder of another recipe, such as
            ``scripts/convert.py`` writes; or a folder that ``save_pretrained`` wrote, of a classifier of pictures or
            of its encoder.
        resize: Pixels that the shorter side is resized to; by default the base's. Hugging Face's folders have their
            own preprocessing, which stays.
        crop: Pixels of the square in the middle, which the network sees; by default the base's.
        seed: Seed of every random choice.
        test: Share of each class that is held out for the figures, if the data has no folder ``test``.
        held_out: Share of the rest of each class that decides when to stop, and that the temperature is fitted to.
        unlike: Share of the pictures of these classes that may be marked as unlike all of them.
        views: Pictures made of each one: as it is, and else a random part, mirrored and in other light.
        smallest_part: Share of a picture that a random part has at least; by default 0.35, and 1 for the base
            ``efficientnet_lite0_details``, because a small fault may be outside of a part.
        epochs: Number of epochs, over which the learning rate falls to 0.
        patience: Stop after this many epochs without improvement on the held-out pictures.
        batch: Pictures in a step.
        learning_rate: Learning rate of the first epoch.
        weight_decay: Weight decay of stochastic gradient descent with momentum.
    """

    family: Literal["torchvision_classifier", "hf_image_classifier"]
    base: str = LITE0
    resize: Side | None = None
    crop: Side | None = None
    seed: int = 0
    test: Share = 0.2
    held_out: Share = 0.15
    unlike: Share = 0.01
    views: Count = 2
    smallest_part: Annotated[float, Field(gt=0, le=1)] | None = None
    epochs: Count = 60
    patience: Count = 10
    batch: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    weight_decay: Annotated[float, Field(ge=0)] = 0.01

    @property
    def least_area(self) -> float:
        """The smallest share of a picture that a view shows."""
        if self.smallest_part is not None:
            return self.smallest_part
        return 1.0 if self.base == DETAILS else 0.35

    @classmethod
    def read(cls, path: Path) -> ClassTrainSettings:
        """Read a ``train.yaml``.

        Raises:
            RecipeError: The file cannot be read, is not YAML, or has an unknown key, a missing key or a bad value.
        """
        return read_settings(cls, path)

    def write(self, path: Path) -> None:
        """Write a ``train.yaml`` with every setting that has a value."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self.model_dump(exclude_none=True), sort_keys=False), encoding="utf-8")
