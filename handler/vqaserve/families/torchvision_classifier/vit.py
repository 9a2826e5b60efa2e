"""Vision Transformer (Dosovitskiy et al. 2020) with the tensor names of torchvision's ``VisionTransformer``."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

_SIDE = 224
"""Pixels of the pictures, which the embeddings of positions are for."""


class VisionTransformer(nn.Module):
    """A transformer over the patches of a picture, whose class token describes the whole."""

    def __init__(self, patch: int, layers: int, heads: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.conv_proj = nn.Conv2d(3, width, patch, patch)
        self.encoder = _Encoder((_SIDE // patch) ** 2 + 1, layers, heads, width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels [n, 3, 224, 224] to features [n, width]."""
        patches = self.conv_proj(pixels).flatten(2).transpose(1, 2)  # [n, patches, width]
        tokens = torch.cat([self.class_token.expand(len(pixels), -1, -1), patches], dim=1)
        features: Tensor = self.encoder(tokens)[:, 0]
        return features


class _Encoder(nn.Module):
    def __init__(self, tokens: int, layers: int, heads: int, width: int) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.zeros(1, tokens, width))
        self.layers = nn.Sequential(
            OrderedDict((f"encoder_layer_{number}", _Layer(heads, width)) for number in range(layers))
        )
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        normalised: Tensor = self.ln(self.layers(tokens + self.pos_embedding))
        return normalised


class _Layer(nn.Module):
    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        # The dropouts do nothing here, but the tensors of the second linear layer are named after its place.
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        normalised = self.ln_1(tokens)
        tokens = tokens + self.self_attention(normalised, normalised, normalised, need_weights=False)[0]
        out: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return out
