"""Co-attention: picture and question attend to each other before they are joined."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vqaserve.families.modular.base import Fusion, ImageEncoder, TextEncoder, TextFeatures
from vqaserve.families.modular.options import AttentionOptions, Rate, Size


class CoAttention(Fusion):
    """A post-norm transformer layer over the grid's cells and the question's summary.

    With a grid of one cell it is the chat app's fusion of the same name, without the layers whose results the app
    discards.
    """

    class Options(AttentionOptions):
        """Width of the attention, width of the output (default: twice that), heads, and dropout in training."""

        attention_width: ClassVar[str] = "hidden"
        name: Literal["coattention"] = "coattention"
        hidden: Size = 512
        width: Size | None = None
        attention_heads: Annotated[int, Field(gt=0, le=64)] = 8
        dropout: Rate = 0.1

    def __init__(self, options: Options, image: ImageEncoder, text: TextEncoder) -> None:
        super().__init__(options, image, text)
        hidden = options.hidden
        self.width = options.width or 2 * hidden
        self.image_proj = nn.Linear(image.channels, hidden)
        self.text_proj = nn.Linear(text.width, hidden)
        self.coattention = nn.MultiheadAttention(hidden, options.attention_heads, options.dropout, batch_first=True)
        self.norm1 = nn.LayerNorm(hidden)
        self.ff1 = nn.Sequential(
            nn.Linear(hidden, 4 * hidden), nn.ReLU(), nn.Dropout(options.dropout), nn.Linear(4 * hidden, hidden)
        )
        self.norm2 = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(options.dropout)
        self.final_proj = nn.Linear(2 * hidden, self.width)

    def forward(self, image: Tensor, which: Tensor, text: TextFeatures) -> Tensor:
        """Attend, then join the mean of the cells and the question."""
        cells = self.image_proj(image)[which]  # [n, cells, hidden]
        states = torch.cat([cells, self.text_proj(text.summary)[:, None]], dim=1)  # [n, cells + 1, hidden]
        attended = self.coattention(states, states, states, need_weights=False)[0]
        states = self.norm1(states + self.dropout(attended))
        states = self.norm2(states + self.dropout(self.ff1(states)))
        joint: Tensor = self.final_proj(torch.cat([states[:, :-1].mean(1), states[:, -1]], dim=1))
        return joint
