"""Bilinear fusion: products of each picture value with each question value."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from vqaserve.families.modular.base import Fusion, ImageEncoder, TextEncoder, TextFeatures
from vqaserve.families.modular.options import PartOptions, Rate, Size


class Bilinear(Fusion):
    """A gate mixes the bilinear product and a linear combination of picture and question, value by value.

    The picture is the mean of its grid. This is the chat app's fusion of the same name.
    """

    class Options(PartOptions):
        """Width of the product (its cube is the number of weights), width of the output, and dropout in training."""

        name: Literal["bilinear"] = "bilinear"
        hidden: Size = 256
        width: Size | None = None
        dropout: Rate = 0.1

    def __init__(self, options: Options, image: ImageEncoder, text: TextEncoder) -> None:
        super().__init__(options, image, text)
        hidden = options.hidden
        self.width = options.width or hidden
        self.image_proj = nn.Linear(image.channels, hidden)
        self.text_proj = nn.Linear(text.width, hidden)
        self.bilinear = nn.Bilinear(hidden, hidden, hidden)
        self.additive_fusion = nn.Linear(2 * hidden, hidden)
        self.multiplicative_fusion = nn.Linear(hidden, hidden)
        self.gate = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.Sigmoid())
        self.dropout = nn.Dropout(options.dropout)
        self.final_proj = nn.Linear(hidden, self.width)

    def forward(self, image: Tensor, which: Tensor, text: TextFeatures) -> Tensor:
        """Compute the product, the linear combination, and the gate between them."""
        seen = self.image_proj(image.mean(1))[which]  # [n, hidden]
        asked = self.text_proj(text.summary)  # [n, hidden]
        product = self.bilinear(seen, asked)
        added = self.additive_fusion(torch.cat([seen, asked], dim=1))
        multiplied = self.multiplicative_fusion(seen * asked)
        gate = self.gate(torch.cat([product, added, multiplied], dim=1))
        joint: Tensor = self.final_proj(self.dropout(gate * product + (1 - gate) * added))
        return joint
