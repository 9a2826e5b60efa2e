"""The inputs of a picture encoder, as a Hugging Face image processor prepares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from vqaserve.families.aspect_ratio import preprocess_any_shape


def stack_pixels(
    pictures: Sequence[Image], image_processor: Any, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The processor's tensors of at least one picture, stacked: [pictures, ...] for each of the encoder's inputs.

    Args:
        pictures: RGB pictures of any shape.
        image_processor: Prepares every picture in one size.
        device: Where the tensors go.
        dtype: The type of those that hold floating-point numbers.

    Raises:
        InvalidImage: The processor cannot take a picture.
    """

    def prepare(picture: Image) -> Mapping[str, Tensor]:
        tensors = image_processor(picture, return_tensors="pt")
        return {name: tensor[0] for name, tensor in tensors.items()}

    prepared = [preprocess_any_shape(picture, prepare) for picture in pictures]
    stacked = {name: torch.stack([one[name] for one in prepared]) for name in prepared[0]}
    return {
        name: tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)
        for name, tensor in stacked.items()
    }
