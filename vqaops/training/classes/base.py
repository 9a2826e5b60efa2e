"""The network that a training keeps as it is, with the transforms that it was trained for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from vqaops.training.classes.settings import LITE, ClassTrainSettings
from vqaops.training.pretrained import lite0_weights
from vqaserve.errors import RecipeError
from vqaserve.families.torchvision_classifier.architectures import ARCHITECTURES, Backbone, check_crop
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig, Transforms
from vqaserve.families.weight_files import read_tensors

_BACKBONE = "backbone."


@dataclass(frozen=True)
class Base:
    """A network without its head.

    Attributes:
        architecture: Its name in ``ARCHITECTURES``.
        transforms: What is done to a picture before.
        weights: Its tensors.
    """

    architecture: str
    transforms: Transforms
    weights: Mapping[str, Tensor]

    @cached_property
    def digest(self) -> str:
        """A hash of all that a picture's features depend on."""
        whole = hashlib.sha256(f"{self.architecture} {self.transforms.model_dump_json()}".encode())
        for name, tensor in sorted(self.weights.items()):
            whole.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return whole.hexdigest()

    def build(self) -> Backbone:
        """The network with its weights, for inference."""
        network = ARCHITECTURES[self.architecture].build()
        network.load_state_dict(self.weights)
        return network.eval()


def read_base(settings: ClassTrainSettings) -> Base:
    """The base that the settings name, with their sizes.

    Raises:
        RecipeError: There is none of that name, its files are damaged, or a size does not fit.
    """
    folder = Path(settings.base)
    if settings.base in LITE:
        names = ARCHITECTURES[settings.base].build().state_dict()
        weights = {name: tensor for name, tensor in lite0_weights().items() if name in names}
        base = Base(settings.base, ARCHITECTURES[settings.base].transforms, weights)
    elif (folder / "weights" / "config.json").is_file():
        base = _read_recipe(folder / "weights")
    else:
        raise RecipeError(
            f"base is {settings.base!r:.200}; it takes {', '.join(LITE)}, or the folder of a recipe of family "
            "torchvision_classifier, such as scripts/convert.py writes"
        )
    sizes = {"resize": settings.resize, "crop": settings.crop}
    changes = {name: size for name, size in sizes.items() if size is not None}
    transforms = base.transforms.model_copy(update=changes)
    if transforms.crop > transforms.resize:
        raise RecipeError(f"crop {transforms.crop} is larger than resize {transforms.resize}; set both")
    check_crop(base.architecture, transforms.crop)
    return Base(base.architecture, transforms, base.weights)


def _read_recipe(weights: Path) -> Base:
    config = TorchvisionConfig.read(weights / "config.json")
    tensors = {
        name.removeprefix(_BACKBONE): tensor.float()
        for name, tensor in read_tensors(weights / "model.safetensors").items()
        if name.startswith(_BACKBONE)
    }
    return Base(config.architecture, config.transforms, tensors)
