"""Preparation of pictures and questions, which training and serving share so that they cannot differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL.Image import Image
from tokenizers import Tokenizer
from torch import Tensor

from vqaserve.families.modular.options import Pixels


def to_pixels(pictures: Sequence[Image], pixels: Pixels) -> Tensor:
    """Resize RGB pictures to one size, as uint8 [n, 3, height, width]."""
    arrays = [np.asarray(pixels.squeeze(picture)) for picture in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def to_tokens(questions: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> tuple[Tensor, Tensor]:
    """Return token ids [n, length] and a mask, true at tokens [n, length].

    A question without any token gets token 0, because attention over nothing is NaN.
    """
    encodings = tokenizer.encode_batch(list(questions))
    rows = [encoding.ids[:max_tokens] or [0] for encoding in encodings]
    length = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    mask = torch.tensor([[place < len(row) for place in range(length)] for row in rows])
    return tokens, mask
