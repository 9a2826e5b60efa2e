"""The classifier on OpenVINO, which computes one picture at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.aspect_ratio import preprocess_any_shape
from vqaserve.families.openvino import Graph, has_bf16, trace
from vqaserve.families.openvino_model import OpenVinoModel, check_settings
from vqaserve.families.probe import probe_answers
from vqaserve.families.rule import OPENVINO_FOLDER
from vqaserve.families.torchvision_classifier.architectures import Classifier
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig, Transforms
from vqaserve.families.torchvision_classifier.family import TorchvisionClassifier
from vqaserve.families.torchvision_classifier.preparation import to_square
from vqaserve.settings import HandlerSettings


class _Network(nn.Module):
    """The classifier and the normalisation of its pictures."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Classifier, transforms: Transforms) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", 255 * torch.tensor(transforms.mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(transforms.std).view(3, 1, 1))

    def forward(self, squares: Tensor) -> Tensor:
        """The outputs of ``Classifier`` for a picture [1, crop, crop, 3] in 0..255."""
        outputs: Tensor = self.model((squares.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return outputs


def convert(weights: Path) -> OpenVinoModel:
    """Convert a model.

    Raises:
        RecipeError: A file does not match the others.
    """
    family = TorchvisionClassifier.read(weights, torch.device("cpu"))
    expected = probe_answers(family)
    side = family.config.transforms.crop
    network = trace(
        _Network(family.model, family.config.transforms), (torch.zeros(1, side, side, 3, dtype=torch.uint8),)
    )
    network.reshape([1, side, side, 3])  # of a known size, it is planned once
    return OpenVinoModel(network, expected)


def prepare(folder: Path, settings: HandlerSettings, prepared: Path) -> None:
    """Convert the network when the archive is built; see ``families.prepare``."""
    convert(folder / settings.weights).write(prepared / OPENVINO_FOLDER)


class OpenVinoTorchvision(TorchvisionClassifier):
    """``TorchvisionClassifier`` with a network of OpenVINO."""

    runtime = "openvino"

    def __init__(self, config: TorchvisionConfig, network: Graph, precision: str) -> None:
        self.config = config
        self.network = network
        self.precision = precision

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the converted network of the archive; a recipe that is not packed is converted first.

        Raises:
            RecipeError: A file does not match the others, or the precision is not for this network or runtime.
            ChangedAnswers: Fewer probe answers stay the same than ``agreement`` sets.
        """
        check_settings(settings)
        precision = settings.precision
        if precision == "int8":
            raise RecipeError("this family has no int8 on OpenVINO; set precision: bf16, fp32 or auto")
        if precision == "auto":
            precision = "bf16" if has_bf16() else "fp32"
        torch.set_num_threads(settings.threads)
        weights, packed = folder / settings.weights, folder / OPENVINO_FOLDER
        converted = OpenVinoModel.read(packed) if packed.is_dir() else convert(weights)
        network = Graph(converted.network, precision, settings.threads)
        family = cls(TorchvisionConfig.read(weights / "config.json"), network, precision)
        converted.check(family, settings)
        return family

    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """As ``TorchvisionClassifier.encode``."""
        return [self._scores(torch.from_numpy(self.network(self._square(picture))[0])) for picture in pictures]

    def _square(self, picture: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Pixels [1, crop, crop, 3]; the network does the rest."""
        return np.asarray(preprocess_any_shape(picture, lambda one: to_square(one, self.config.transforms)))[None]
