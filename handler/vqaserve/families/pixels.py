"""Pictures on their way through an encoder, as a Hugging Face image processor prepares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image, new
from torch import Tensor

from vqaserve.errors import RecipeError
from vqaserve.families.picture_inputs import PictureInputs


def encode_pictures(
    pictures: Sequence[Image], inputs: PictureInputs, model: Any, encode: Callable[..., Tensor]
) -> list[Tensor]:
    """What an encoder makes of each picture.

    Pictures that the processor prepares in one shape are encoded together; some processors keep the aspect ratio.

    Args:
        pictures: RGB pictures of any shape.
        inputs: Prepares pictures.
        model: Its device and its type of floating-point numbers are those of the encoder's inputs.
        encode: Takes the inputs [pictures, ...] as named arguments; returns [pictures, ...].

    Raises:
        InvalidImage: The processor cannot take a picture.
    """
    prepared = [inputs.prepare(picture) for picture in pictures]
    encoded: dict[int, Tensor] = {}
    for places in group_by_shape(prepared):
        batch = inputs.join([prepared[place] for place in places], model.device, model.dtype)
        encoded |= {place: row.clone() for place, row in zip(places, encode(**batch), strict=True)}
    return [encoded[place] for place in range(len(prepared))]


def group_by_shape(prepared: Sequence[Mapping[str, Tensor]]) -> list[list[int]]:
    """The places of pictures whose tensors have the same shapes, group by group, so that none is padded."""
    groups: dict[tuple[torch.Size, ...], list[int]] = {}
    for place, tensors in enumerate(prepared):
        groups.setdefault(tuple(tensor.shape for tensor in tensors.values()), []).append(place)
    return list(groups.values())


def try_picture(folder: Path, model: Any, does: str, encode: Callable[[Sequence[Image]], list[Tensor]]) -> None:
    """Encode a grey picture, so that a model that needs other inputs is refused when it is loaded.

    Args:
        folder: The model's folder, for the message.
        model: The model, for the message.
        does: What a model of the family does, for the message.
        encode: The family's ``encode``; the feature of a picture has one dimension.

    Raises:
        RecipeError: The encoder fails, or the feature has another shape.
    """
    try:
        (feature,) = encode([new("RGB", (64, 64), "grey")])
        reason = "" if feature.dim() == 1 else f"a picture becomes {list(feature.shape)} numbers"
    except Exception as error:  # noqa: BLE001 - a model that is used in a wrong way raises nearly anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split()):.300}"
    if reason:
        raise RecipeError(f"{folder} holds a {type(model).__name__}, which does not {does} ({reason})")
