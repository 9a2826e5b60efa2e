"""The networks by their names, with the transforms that their ImageNet weights were trained for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.familiarity import Familiarity
from vqaserve.families.torchvision_classifier.config import Transforms
from vqaserve.families.torchvision_classifier.efficientnet import EfficientNet
from vqaserve.families.torchvision_classifier.efficientnet_lite import EfficientNetLite0, EfficientNetLite0Details
from vqaserve.families.torchvision_classifier.resnet import ResNet
from vqaserve.families.torchvision_classifier.vit import VisionTransformer

Backbone = EfficientNet | EfficientNetLite0 | EfficientNetLite0Details | ResNet | VisionTransformer


class Architecture(NamedTuple):
    """How a network is built, the transforms of its ImageNet weights, and whether it takes no others.

    Attributes:
        build: Makes the network with random weights.
        transforms: Of its ImageNet weights; of torchvision's, IMAGENET1K_V1.
        newer: Of IMAGENET1K_V2, which ``DEFAULT`` means where there are such weights.
        one_size: Whether it takes pictures of ``transforms.crop`` pixels only.
        of_torchvision: Whether torchvision has it, so that a checkpoint can have its tensors.
    """

    build: Callable[[], Backbone]
    transforms: Transforms
    newer: Transforms | None = None
    one_size: bool = False
    of_torchvision: bool = True


def _transforms(resize: int, crop: int, resample: str) -> Transforms:
    return Transforms.model_validate({"resize": resize, "crop": crop, "resample": resample})


def _lite(resize: int, crop: int) -> Transforms:
    return Transforms(resize=resize, crop=crop, resample="bicubic", mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


_RESNET_V2 = _transforms(232, 224, "bilinear")

ARCHITECTURES = {
    "efficientnet_b0": Architecture(lambda: EfficientNet(1.0, 1.0), _transforms(256, 224, "bicubic")),
    "efficientnet_b1": Architecture(
        lambda: EfficientNet(1.0, 1.1), _transforms(256, 240, "bicubic"), _transforms(255, 240, "bilinear")
    ),
    "efficientnet_b2": Architecture(lambda: EfficientNet(1.1, 1.2), _transforms(288, 288, "bicubic")),
    "efficientnet_b3": Architecture(lambda: EfficientNet(1.2, 1.4), _transforms(320, 300, "bicubic")),
    "efficientnet_b4": Architecture(lambda: EfficientNet(1.4, 1.8), _transforms(384, 380, "bicubic")),
    "resnet18": Architecture(lambda: ResNet((2, 2, 2, 2), 1), _transforms(256, 224, "bilinear")),
    "resnet34": Architecture(lambda: ResNet((3, 4, 6, 3), 1), _transforms(256, 224, "bilinear")),
    "resnet50": Architecture(lambda: ResNet((3, 4, 6, 3), 4), _transforms(256, 224, "bilinear"), _RESNET_V2),
    "resnet101": Architecture(lambda: ResNet((3, 4, 23, 3), 4), _transforms(256, 224, "bilinear"), _RESNET_V2),
    "resnet152": Architecture(lambda: ResNet((3, 8, 36, 3), 4), _transforms(256, 224, "bilinear"), _RESNET_V2),
    "vit_b_16": Architecture(
        lambda: VisionTransformer(16, 12, 12, 768), _transforms(256, 224, "bilinear"), one_size=True
    ),
    "vit_b_32": Architecture(
        lambda: VisionTransformer(32, 12, 12, 768), _transforms(256, 224, "bilinear"), one_size=True
    ),
    "vit_l_16": Architecture(
        lambda: VisionTransformer(16, 24, 16, 1024), _transforms(242, 224, "bilinear"), one_size=True
    ),
    "efficientnet_lite0": Architecture(EfficientNetLite0, _lite(256, 224), of_torchvision=False),
    "efficientnet_lite0_details": Architecture(EfficientNetLite0Details, _lite(512, 512), of_torchvision=False),
}


class Classifier(nn.Module):
    """A network with a linear head, and what it knows of the pictures that it was trained on."""

    def __init__(self, architecture: str, classes: int, known: int = 0) -> None:
        """Build a network with random weights.

        Args:
            architecture: A name in ``ARCHITECTURES``.
            classes: The number of classes.
            known: Pictures whose features it knows; without any it gives no distances.

        Raises:
            RecipeError: There is no such architecture.
        """
        super().__init__()
        if architecture not in ARCHITECTURES:
            raise RecipeError(f"architecture {architecture!r:.80} is not known; there are: {', '.join(ARCHITECTURES)}")
        self.backbone = ARCHITECTURES[architecture].build()
        self.head = nn.Linear(self.backbone.width, classes)
        self.familiarity = Familiarity(known, self.backbone.width) if known else None

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to logits [n, classes]; with known pictures, the distance follows [n, classes + 1]."""
        features = self.backbone(pixels)
        logits: Tensor = self.head(features).float()
        return logits if self.familiarity is None else torch.cat([logits, self.familiarity(features)], 1)


def check_crop(architecture: str, crop: int) -> None:
    """Refuse pictures of another size than a transformer's embeddings of positions are for.

    Raises:
        RecipeError: The size does not fit.
    """
    usual = ARCHITECTURES[architecture]
    if usual.one_size and crop != usual.transforms.crop:
        raise RecipeError(f"crop is {crop}; {architecture} takes pictures of {usual.transforms.crop} pixels only")
