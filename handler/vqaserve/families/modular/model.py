"""The network: one picture encoder, and one or more heads that encode the question and score the answers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vqaserve.families.modular.base import ImageEncoder
from vqaserve.families.modular.config import ModularConfig
from vqaserve.families.modular.fusions import FUSIONS
from vqaserve.families.modular.image_encoders import IMAGE_ENCODERS
from vqaserve.families.modular.text_encoders import TEXT_ENCODERS


class Head(nn.Module):
    """A question encoder, a fusion and a linear classifier over the answers."""

    def __init__(self, config: ModularConfig, image: ImageEncoder, vocabulary: int, answers: int) -> None:
        super().__init__()
        text_encoder = TEXT_ENCODERS[config.text_encoder.name]
        self.text_encoder = text_encoder(config.text_encoder, vocabulary, config.max_tokens)
        self.fusion = FUSIONS[config.fusion.name](config.fusion, image, self.text_encoder)
        self.classifier = nn.Linear(self.fusion.width, answers)

    def forward(self, image: Tensor, which: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits [n, answers]; see ``ModularModel.forward`` for the arguments."""
        logits: Tensor = self.classifier(self.fusion(image, which, self.text_encoder(tokens, mask)))
        return logits


class ModularModel(nn.Module):
    """A picture encoder and heads, built from the names in the config."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModularConfig, *, vocabulary: int, answers: int) -> None:
        super().__init__()
        self.image_encoder = IMAGE_ENCODERS[config.image_encoder.name](config.image_encoder, config.pixels)
        self.heads = nn.ModuleList(Head(config, self.image_encoder, vocabulary, answers) for _ in range(config.heads))
        # Not saved with the weights, because the config has them.
        self.register_buffer("mean", torch.tensor(config.pixels.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.pixels.std).view(3, 1, 1), persistent=False)

    def encode(self, pixels: Tensor) -> Tensor:
        """Features [n, cells, channels] of pixels [n, 3, height, width] in 0..255, in the encoder's precision."""
        normal = (pixels.to(self.mean.dtype) - self.mean) / self.std
        # An encoder without parameters (blind) has no precision of its own.
        dtype = next((parameter.dtype for parameter in self.image_encoder.parameters()), normal.dtype)
        features: Tensor = self.image_encoder(normal.to(dtype))
        return features

    def each(self, image: Tensor, which: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits of each head [heads, n, answers], for training, which optimises each head separately."""
        return torch.stack([head(image, which, tokens, mask) for head in self.heads])

    def forward(self, image: Tensor, which: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits [n, answers], the logarithm of the mean probability of the heads.

        Args:
            image: Features of each picture [m, cells, channels].
            which: The row in ``image`` of each question's picture [n].
            tokens: Token ids [n, length].
            mask: True for tokens, false for padding [n, length].
        """
        logits = self.each(image, which, tokens, mask).log_softmax(2)
        return logits[0] if len(logits) == 1 else logits.logsumexp(0) - math.log(len(logits))
