"""What a picture is in a prompt: its text of placeholder tokens, and a vector from the vision tower for each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

_FINGERPRINT_BYTES = 7  # fits into a signed 64-bit number with room for the number of a token


@dataclass(frozen=True)
class PictureTokens:
    """A picture as a chat model reads it.

    Attributes:
        text: The placeholders, with what the processor writes around them.
        vectors: Output of the vision tower, projected to the language model's width [tokens, width].
        layout: Other inputs that tell the model how the tokens lie in the picture, such as ``image_grid_thw``.
        fingerprint: A hash of the vectors and the layout.
    """

    text: str
    vectors: Tensor
    layout: Mapping[str, Tensor]
    fingerprint: int = field(repr=False)

    @property
    def keys(self) -> NDArray[np.int64]:
        """A number for each token, negative and so unlike a token's id, that is equal only for equal pictures."""
        return -1 - (self.fingerprint + np.arange(len(self.vectors), dtype=np.int64))


@torch.inference_mode()
def encode_picture(model: Any, processor: Any, picture: Image, device: torch.device) -> PictureTokens:
    """Run the vision tower and the projection on a picture.

    Args:
        model: An image-text-to-text model with ``get_image_features``.
        processor: Its processor.
        picture: RGB.
        device: The device of the model.
    """
    inputs = processor(images=[[picture]], text=[processor.image_token], return_tensors="pt", add_special_tokens=False)
    text = processor.tokenizer.decode(
        inputs["input_ids"][0], skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    about = {name: value for name, value in inputs.items() if name not in _OF_THE_TEXT}
    given = {
        name: value.to(device, model.dtype) if value.is_floating_point() else value.to(device)
        for name, value in about.items()
    }
    output = model.get_image_features(**given, return_dict=True).pooler_output
    vectors = torch.cat([part.reshape(-1, part.shape[-1]) for part in output])
    layout = {name: value for name, value in about.items() if not name.startswith("pixel_")}
    return PictureTokens(text, vectors, layout, _fingerprint([vectors, *layout.values()]))


_OF_THE_TEXT = frozenset({"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "labels"})


def _fingerprint(tensors: list[Tensor]) -> int:
    digest = hashlib.blake2b(digest_size=_FINGERPRINT_BYTES)
    for tensor in tensors:
        digest.update(tensor.contiguous().cpu().view(torch.uint8).numpy().data)
    return int.from_bytes(digest.digest(), "big")
