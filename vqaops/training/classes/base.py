"""The network that a training keeps as it is, with the preparation that it was trained for."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from PIL.Image import Image, Resampling
from safetensors.torch import save_file
from torch import Tensor, nn

from vqaops.training.classes.settings import LITE, ClassTrainSettings
from vqaops.training.classes.unlike import learn_familiarity
from vqaops.training.pretrained import lite0_weights
from vqaserve.errors import RecipeError
from vqaserve.families.aspect_ratio import preprocess_any_shape
from vqaserve.families.backbones.fusing import fuse
from vqaserve.families.backbones.packed_conv2d import pack_convolutions
from vqaserve.families.extras import import_object
from vqaserve.families.packed import pack
from vqaserve.families.torchvision_classifier.architectures import ARCHITECTURES, check_crop
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig, Transforms
from vqaserve.families.torchvision_classifier.preparation import normalise, to_pixels
from vqaserve.families.weight_files import read_tensors
from vqaserve.json_files import read_object

_BACKBONE = "backbone."
_HF_BASE = "vqaops.training.classes.hf_base:HfBase"
"""Imported when it is used, because transformers is an extra."""


@dataclass(frozen=True)
class Learned:
    """What a training found out above the base.

    Attributes:
        labels: The classes.
        head: From the base's features to logits.
        train: Features of the pictures that were learnt from [n, width].
        held_out: Features of other pictures [m, width].
    """

    labels: tuple[str, ...]
    head: nn.Linear
    train: Tensor
    held_out: Tensor


class Base(ABC):
    """A network without its head; a ``views.Preparation`` of its pictures."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the model card calls it."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """A hash of all that a picture's features depend on."""

    @property
    @abstractmethod
    def side(self) -> int:
        """As ``Preparation.side``."""

    @property
    @abstractmethod
    def filter(self) -> Resampling:
        """As ``Preparation.filter``."""

    @abstractmethod
    def prepare(self, picture: Image) -> Tensor:
        """As ``Preparation.prepare``."""

    @abstractmethod
    def prepare_square(self, square: Image) -> Tensor:
        """As ``Preparation.prepare_square``."""

    @abstractmethod
    def build(self, dtype: torch.dtype) -> nn.Module:
        """The network for inference; it maps prepared pictures [n, ...] to features [n, width] of the type."""

    @abstractmethod
    def write(self, weights: Path, settings: ClassTrainSettings, learned: Learned) -> None:
        """Write the recipe's ``weights`` folder."""


@dataclass(frozen=True)
class TorchvisionBase(Base):
    """A network of family ``torchvision_classifier``.

    Attributes:
        architecture: Its name in ``ARCHITECTURES``.
        transforms: What is done to a picture before.
        weights: Its tensors.
    """

    architecture: str
    transforms: Transforms
    weights: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """The architecture."""
        return self.architecture

    @cached_property
    def digest(self) -> str:
        """A hash of architecture, transforms and tensors."""
        whole = hashlib.sha256(f"{self.architecture} {self.transforms.model_dump_json()}".encode())
        for name, tensor in sorted(self.weights.items()):
            whole.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return whole.hexdigest()

    @property
    def side(self) -> int:
        """The pixels that the network sees."""
        return self.transforms.crop

    @property
    def filter(self) -> Resampling:
        """The filter of the transforms."""
        return Resampling[self.transforms.resample.upper()]

    def prepare(self, picture: Image) -> Tensor:
        """float32 [3, crop, crop]."""
        return preprocess_any_shape(picture, lambda one: to_pixels(one, self.transforms))

    def prepare_square(self, square: Image) -> Tensor:
        """float32 [3, crop, crop]."""
        return normalise(square, self.transforms)

    def build(self, dtype: torch.dtype) -> nn.Module:
        """The network with its weights, packed for this processor."""
        network = ARCHITECTURES[self.architecture].build()
        network.load_state_dict(self.weights)
        fuse(network).to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        pack_convolutions(network)
        pack(network)
        return _Cast(network, dtype)

    def write(self, weights: Path, settings: ClassTrainSettings, learned: Learned) -> None:
        """Write the network and the known features in half precision, the head in float32, and the config."""
        familiarity, known = learn_familiarity(learned.train, learned.held_out, settings.unlike, settings.seed)
        config = TorchvisionConfig(
            architecture=self.architecture, labels=learned.labels, transforms=self.transforms, known=known
        )
        tensors = {_BACKBONE + name: tensor.half() for name, tensor in self.weights.items()}
        for part, module in {"head": learned.head, "familiarity": familiarity}.items():
            tensors |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
        tensors["familiarity.known"] = tensors["familiarity.known"].half()
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, weights / "model.safetensors")
        (weights / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


class _Cast(nn.Module):
    """A network of convolutions with its inputs cast and laid out for it."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.network(pixels.to(self.dtype, memory_format=torch.channels_last))
        return features


def hf_weights_of(base: str) -> Path | None:
    """The folder of Hugging Face's that ``base`` names, or the weights of such a recipe; None if it is neither.

    Raises:
        RecipeError: A ``config.json`` cannot be read.
    """
    for folder in (Path(base), Path(base) / "weights"):
        config = folder / "config.json"
        if config.is_file() and "model_type" in read_object(config, strict=False):
            return folder
    return None


def read_base(settings: ClassTrainSettings) -> Base:
    """The base that the settings name, with their sizes.

    Raises:
        RecipeError: There is none of that name, its files are damaged, or a size or the family does not fit.
    """
    folder = Path(settings.base)
    hf_weights = None if settings.base in LITE else hf_weights_of(settings.base)
    family = "hf_image_classifier" if hf_weights else "torchvision_classifier"
    if family != settings.family:
        raise RecipeError(f"base is {settings.base!r:.200}, and family is {settings.family}; set family: {family}")
    if hf_weights:
        if settings.resize or settings.crop:
            raise RecipeError(f"{hf_weights} has its own preprocessing; leave out resize and crop")
        found: Base = import_object(_HF_BASE, "a base of Hugging Face's").read(hf_weights)
        return found
    if settings.base in LITE:
        names = ARCHITECTURES[settings.base].build().state_dict()
        weights = {name: tensor for name, tensor in lite0_weights().items() if name in names}
        base = TorchvisionBase(settings.base, ARCHITECTURES[settings.base].transforms, weights)
    elif (folder / "weights" / "config.json").is_file():
        base = _read_recipe(folder / "weights")
    else:
        raise RecipeError(
            f"base is {settings.base!r:.200}; it takes {', '.join(LITE)}, the folder of a recipe with a classifier of "
            "pictures, such as scripts/convert.py writes, or a folder that `save_pretrained` wrote"
        )
    sizes = {"resize": settings.resize, "crop": settings.crop}
    changes = {name: size for name, size in sizes.items() if size is not None}
    transforms = base.transforms.model_copy(update=changes)
    if transforms.crop > transforms.resize:
        raise RecipeError(f"crop {transforms.crop} is larger than resize {transforms.resize}; set both")
    check_crop(base.architecture, transforms.crop)
    return replace(base, transforms=transforms)


def _read_recipe(weights: Path) -> TorchvisionBase:
    config = TorchvisionConfig.read(weights / "config.json")
    tensors = {
        name.removeprefix(_BACKBONE): tensor.float()
        for name, tensor in read_tensors(weights / "model.safetensors").items()
        if name.startswith(_BACKBONE)
    }
    return TorchvisionBase(config.architecture, config.transforms, tensors)
