"""The inputs of a network that a Hugging Face image processor computes from pictures, with bytes in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import torch
from PIL.Image import Image, new
from torch import Tensor

from vqaserve.errors import RecipeError
from vqaserve.families.aspect_ratio import preprocess_any_shape

PIXELS: Final = "pixel_values"
_MASK: Final = "pixel_mask"
_SIZES: Final = ((64, 48), (48, 96))
"""Pictures of different shapes, to find out whether a processor prepares them alike."""

_KNOWN: Final = frozenset(
    f"{name}ImageProcessorPil"
    for name in (
        *("Beit", "Bit", "Blip", "Chameleon", "ChineseCLIP", "CLIP", "ConvNext", "DeiT", "Levit"),
        *("MobileNetV1", "MobileNetV2", "OwlViT", "Perceiver", "PoolFormer", "Pvt", "Segformer"),
        *("Siglip", "TextNet", "Vilt", "ViT"),
    )
)
"""Processors that resize and crop bytes, and then rescale and normalise each channel; what they do last is done here.

transformers rescales in float64 and copies several times, which takes 2.7 ms for 384 x 512 pixels."""

_MASKED: Final = "ViltImageProcessorPil"
"""Pads pictures to the largest of a batch; here all have one shape, so that the mask is ones."""


@dataclass(frozen=True)
class Normalisation:
    """Rescaling and normalisation of the bytes of a picture: ``(pixels - mean) / std``.

    Attributes:
        mean: Of each channel, in 0..255 [3, 1, 1].
        std: Of each channel, in 0..255 [3, 1, 1].
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, image_processor: Any) -> Self:
        """Read the settings of an image processor."""
        scale = image_processor.rescale_factor if image_processor.do_rescale else 1.0
        mean, std = image_processor.image_mean, image_processor.image_std
        if not image_processor.do_normalize:
            mean, std = 0.0, 1.0
        return cls(*(torch.tensor(values).expand(3).reshape(3, 1, 1) / scale for values in (mean, std)))

    def __call__(self, pixels: Tensor) -> Tensor:
        """Map bytes [n, 3, height, width] to float32 in one pass; within 1e-5 of what transformers computes."""
        mean, factor = self.mean.to(pixels.device), 1 / self.std.to(pixels.device)
        return torch.addcmul(-mean * factor, pixels.float(), factor)


class PictureInputs:
    """What an image processor computes, in two steps: each picture alone, and equal shapes together to inputs.

    After the first step a picture of a known processor is bytes, a quarter of the size of floats. The tensors of other
    processors are theirs.
    """

    def __init__(self, image_processor: Any) -> None:
        self._processor = image_processor
        name = type(image_processor).__name__
        self._masks = name == _MASKED and bool(image_processor.do_pad)
        is_known = name in _KNOWN and (self._masks or not getattr(image_processor, "do_pad", False))
        self.normalisation = Normalisation.of(image_processor) if is_known else None
        """What is left to do with the bytes of a prepared picture; None if it is prepared whole."""

    def prepare(self, picture: Image) -> Mapping[str, Tensor]:
        """The tensors of an RGB picture of any shape, without a batch dimension.

        Raises:
            InvalidImage: The processor cannot take the picture.
        """
        return preprocess_any_shape(picture, self._tensors)

    def join(
        self, prepared: Sequence[Mapping[str, Tensor]], device: torch.device, dtype: torch.dtype
    ) -> dict[str, Tensor]:
        """The inputs of a network, each [n, ...], for prepared pictures of equal shapes (``group_by_shape``).

        Args:
            prepared: Pictures from ``prepare``.
            device: The network's.
            dtype: The type of the network's floating-point inputs.
        """
        batch = {name: torch.stack([one[name] for one in prepared]).to(device) for name in prepared[0]}
        if self.normalisation:
            batch[PIXELS] = self.normalisation(batch[PIXELS])
        if self._masks:
            batch[_MASK] = torch.ones(batch[PIXELS][:, 0].shape, dtype=torch.long, device=device)
        return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in batch.items()}

    def one_size(self) -> Tensor:
        """The pixels of a grey picture [3, height, width], which have the same shape for every picture.

        Raises:
            RecipeError: Pictures are prepared in several sizes, or to more than pixels.
        """
        tried = [self.prepare(new("RGB", size, "grey")) for size in _SIZES]
        shapes = [{name: tuple(tensor.shape) for name, tensor in one.items()} for one in tried]
        if shapes[0].keys() != {PIXELS} or shapes[0] != shapes[1]:
            raise RecipeError(f"its processor prepares pictures to {' or '.join(map(str, shapes))}, not to one size")
        return tried[0][PIXELS]

    def _tensors(self, picture: Image) -> Mapping[str, Tensor]:
        if self.normalisation:
            pixels = self._processor(picture, do_rescale=False, do_normalize=False, return_tensors="pt")[PIXELS]
            return {PIXELS: pixels[0]}
        return {name: tensor[0] for name, tensor in self._processor(picture, return_tensors="pt").items()}
