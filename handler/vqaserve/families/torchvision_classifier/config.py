"""``weights/config.json`` of a ``torchvision_classifier`` model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vqaserve.families.familiarity import Known
from vqaserve.json_files import read_json
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import validate_settings

Side = Annotated[int, Field(ge=16, le=2048)]
Mean = Annotated[float, Field(ge=0, le=1)]
Deviation = Annotated[float, Field(gt=0, le=1)]

Label = Annotated[str, Field(min_length=1, max_length=200)]


class Transforms(FrozenModel):
    """What is done to a picture, as torchvision's preset ``ImageClassification`` does it.

    Attributes:
        resize: Pixels of the shorter side.
        crop: Pixels of each side of the square in the middle.
        resample: Pillow's filter.
        mean: Of red, green and blue in [0, 1]; ImageNet's by default.
        std: Standard deviation of the same.
    """

    resize: Side
    crop: Side
    resample: Literal["bilinear", "bicubic"]
    mean: tuple[Mean, Mean, Mean] = (0.485, 0.456, 0.406)
    std: tuple[Deviation, Deviation, Deviation] = (0.229, 0.224, 0.225)

    @model_validator(mode="after")
    def _is_inside(self) -> Transforms:
        if self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}; crop at most what is left")
        return self


class TorchvisionConfig(FrozenModel):
    """The network, its classes and its transforms.

    Attributes:
        architecture: torchvision's name of the network.
        labels: The names of the classes, in the order of the head's rows.
        transforms: What is done to a picture before.
        known: By what a picture that is unlike all classes is noticed; None if it is not.
    """

    architecture: str
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    transforms: Transforms
    known: Known | None = None

    @classmethod
    def read(cls, path: Path) -> TorchvisionConfig:
        """Read ``config.json``.

        Raises:
            RecipeError: The file is missing, is not JSON, or does not validate; the message lists every faulty key.
        """
        return validate_settings(cls, read_json(path), str(path))
