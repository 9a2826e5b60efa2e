"""The class that loads a ``torchvision_classifier`` model and ranks its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from vqaserve.calibration import Arithmetic, Machine
from vqaserve.families.aspect_ratio import preprocess_any_shape
from vqaserve.families.backbones.fusing import fuse
from vqaserve.families.backbones.packed_conv2d import pack_convolutions
from vqaserve.families.base import Family
from vqaserve.families.device import prepare_device
from vqaserve.families.familiarity import rank_known
from vqaserve.families.options import Options, read_options
from vqaserve.families.packed import pack
from vqaserve.families.precision import load_at_precision
from vqaserve.families.rule import left_open, load_elsewhere, usable_runtimes
from vqaserve.families.torchvision_classifier.architectures import Classifier, check_crop
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig
from vqaserve.families.torchvision_classifier.preparation import to_pixels
from vqaserve.families.weight_files import load_tensors
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query

_OPENVINO = "vqaserve.families.torchvision_classifier.on_openvino:OpenVinoTorchvision"
"""Imported when it is used, because OpenVINO is an extra."""


class TorchvisionOptions(Options):
    """The family's ``options:``.

    Attributes:
        runtime: The library that computes the network. ``openvino`` (an extra of that name, CPUs only) needs a network
            that is converted when the archive is built. ``auto`` packs it where the extra is installed, and leaves the
            choice to the machine that serves.
    """

    runtime: Literal["torch", "openvino", "auto"] = "torch"


class TorchvisionClassifier(Family[Tensor, list[Tensor]]):
    """A network of torchvision's, without torchvision. A score is the softmax over the classes.

    Nothing is asked beside the picture, so its feature is the list of scores, and a known picture costs no computation.
    A model that knows the pictures that it was trained on adds the distance to the nearest of them, and abstains from
    pictures that are unlike all classes.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"image_classification"})
    shares: ClassVar[bool] = True

    def __init__(self, model: Classifier, config: TorchvisionConfig, device: torch.device) -> None:
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config
        self.device = device

    @property
    def labels(self) -> Sequence[str]:
        """The classes."""
        return self.config.labels

    @property
    def abstains(self) -> bool:
        """Whether a picture that is unlike all classes is marked."""
        return self.config.known is not None

    @classmethod
    def candidates(cls, folder: Path, settings: HandlerSettings) -> Sequence[Arithmetic]:
        """As ``Family.candidates``, with OpenVINO if the archive has its network; it has no int8 here."""
        ways = left_open(settings, Machine.here().flags, usable_runtimes(folder, settings))
        return [way for way in ways if (way.runtime, way.precision) != ("openvino", "int8")]

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load ``config.json`` and ``model.safetensors``.

        Raises:
            RecipeError: A file is missing or damaged, or they do not match.
        """
        read_options(TorchvisionOptions, settings)
        if loaded := load_elsewhere(cls, _OPENVINO, folder, settings):
            return loaded
        device = prepare_device(settings)
        family = load_at_precision(lambda: cls.read(folder / settings.weights, device), settings)
        if device.type == "cpu":
            pack_convolutions(family.model.backbone)
            pack(family.model.backbone)
        return family

    @classmethod
    def read(cls, weights: Path, device: torch.device) -> Self:
        """Read the model in fp32, without what is packed for a CPU.

        Raises:
            RecipeError: A file is missing or damaged, or they do not match.
        """
        config = TorchvisionConfig.read(weights / "config.json")
        model = Classifier(config.architecture, len(config.labels), config.known.pictures if config.known else 0)
        check_crop(config.architecture, config.transforms.crop)
        load_tensors(model, weights / "model.safetensors")
        return cls(fuse(model), config, device)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """The scores of each picture [classes], in fp32, and the distance if the model has one [classes + 1]."""
        if not pictures:
            return []
        pixels = torch.stack([self._prepare(picture) for picture in pictures])
        dtype = self.model.head.weight.dtype
        outputs = self.model(pixels.to(self.device, dtype, memory_format=torch.channels_last))
        return [self._scores(row) for row in outputs.cpu()]

    def _scores(self, outputs: Tensor) -> Tensor:
        classes = len(self.config.labels)
        return torch.cat([outputs[:classes].softmax(0), outputs[classes:]])

    def _prepare(self, picture: Image) -> Tensor:
        return preprocess_any_shape(picture, lambda one: to_pixels(one, self.config.transforms))

    def forward(self, features: Sequence[Tensor], queries: Sequence[Query]) -> list[Tensor]:
        """The scores themselves; there is nothing left to compute."""
        del queries
        return list(features)

    def decode(self, outputs: list[Tensor], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """The classes with the highest scores, with ``abstained`` if the picture is unlike all classes."""
        pairs = zip(outputs, queries, strict=True)
        return [rank_known(scores, self.labels, query.top_k, self.config.known) for scores, query in pairs]

    def to_bytes(self, features: Tensor) -> bytes:
        """The scores as float32 bytes."""
        return features.numpy().tobytes()

    def from_bytes(self, data: bytes) -> Tensor:
        """The scores that ``to_bytes`` converted."""
        return torch.from_numpy(np.frombuffer(data, np.float32).copy())
