"""Encoders of pictures for OpenVINO, with the normalisation of what an image processor prepares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.openvino import Graph, trace
from vqaserve.families.picture_inputs import PIXELS, Normalisation, PictureInputs


class _Encoder(nn.Module):
    """An encoder and the normalisation of its pictures."""

    def __init__(self, model: nn.Module, encode: Callable[..., Tensor], normalise: Normalisation | None) -> None:
        super().__init__()
        self.model = model  # so that its parameters are this network's
        self._encode = encode
        self._normalise = normalise

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode a prepared picture [1, 3, height, width]; it is bytes if there is something left to do with it."""
        return self._encode(**{PIXELS: self._normalise(pixels) if self._normalise else pixels})


def trace_encoder(folder: Path, model: Any, inputs: PictureInputs, encode: Callable[..., Tensor]) -> ov.Model:
    """Convert an encoder of pictures, for the one size that its processor prepares.

    Args:
        folder: The model's folder, for the message.
        model: The model, on the CPU and in float32.
        inputs: Prepares its pictures.
        encode: Computes with the model; takes its inputs as named arguments and returns a row for each picture.

    Raises:
        RecipeError: Pictures are prepared in several sizes or to more than pixels, or the network cannot be traced.
    """
    try:
        pixels = inputs.one_size()[None]
    except RecipeError as error:
        raise RecipeError(
            f"runtime 'openvino' needs pictures of one size ({folder}: {error}); set runtime: torch"
        ) from None
    _bound_pools(model, max(pixels.shape))
    try:
        network = trace(_Encoder(model, encode, inputs.normalisation), (pixels,))
        network.reshape(list(pixels.shape))  # of a known size, it is planned once
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(
            f"{type(model).__name__} of {folder} cannot be converted ({reason:.300}); set runtime: torch"
        ) from error
    return network


def _bound_pools(model: nn.Module, side: int) -> None:
    """Replace pools that are larger than a picture, as EfficientNet's last one; OpenVINO knows none of that kind."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.AvgPool2d) and isinstance(layer.kernel_size, int) and layer.kernel_size > side:
                setattr(parent, name, nn.AdaptiveAvgPool2d(1))


def compute(network: Graph, inputs: PictureInputs, pictures: Sequence[Image]) -> list[Tensor]:
    """The outputs of a network from ``trace_encoder`` for each RGB picture, computed one by one."""
    return [torch.from_numpy(network(_pixels(inputs, picture))[0].copy()) for picture in pictures]


def _pixels(inputs: PictureInputs, picture: Image) -> NDArray[Any]:
    pixels: NDArray[Any] = np.ascontiguousarray(inputs.prepare(picture)[PIXELS][None].numpy())
    return pixels
