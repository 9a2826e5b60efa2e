"""Fusions, which join the features of a picture and a question to one vector.

Several questions may refer to one picture: ``image`` contains each picture once [m, cells, channels], and
``which[i]`` is the row of the picture of question ``i``. To add a fusion, write a subclass of ``Fusion`` with an
``Options`` class and add it to ``FUSIONS``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vqaserve.families.modular.base import Fusion, ImageEncoder, TextEncoder, TextFeatures
from vqaserve.families.modular.bilinear import Bilinear
from vqaserve.families.modular.coattention import CoAttention
from vqaserve.families.modular.options import PartOptions, Rate, Size


class Concatenation(Fusion):
    """The flattened grid and the question's summary, concatenated, with an optional hidden layer."""

    class Options(PartOptions):
        """Width of the optional hidden layer and its activation, and dropout in training."""

        name: Literal["concatenation"] = "concatenation"
        hidden: Size | None = None
        activation: Literal["relu", "none"] = "relu"
        dropout: Rate = 0.0

    def __init__(self, options: Options, image: ImageEncoder, text: TextEncoder) -> None:
        super().__init__(options, image, text)
        both = image.cells * image.channels + text.width
        self.hidden = None if options.hidden is None else nn.Linear(both, options.hidden)
        self.activation = {"relu": nn.ReLU(), "none": nn.Identity()}[options.activation]
        self.dropout = nn.Dropout(options.dropout)
        self.width = options.hidden or both

    def forward(self, image: Tensor, which: Tensor, text: TextFeatures) -> Tensor:
        """Flatten, concatenate, and apply the hidden layer if there is one."""
        both: Tensor = self.dropout(torch.cat([image.flatten(1)[which], text.summary], dim=1))
        return both if self.hidden is None else self.activation(self.hidden(both))


class GlimpseAttention(Fusion):
    """Several attention maps of the question over the grid (bilinear, as in Kim et al. 2016).

    With the projected cells ``v`` and the projected question ``q``, glimpse ``g`` weights the cells by
    ``softmax(w_g . (tanh(A v) * tanh(B q)))``; the result is multiplied with the question again.
    """

    class Options(PartOptions):
        """Sizes, and in training the dropout of whole picture channels and of the joint vector."""

        name: Literal["glimpse_attention"] = "glimpse_attention"
        width: Size = 512
        glimpses: Size = 4
        channel_dropout: Rate = 0.0
        dropout: Rate = 0.0

    of_picture: ClassVar[tuple[str, ...]] = ("image.0", "image_gate")

    def __init__(self, options: Options, image: ImageEncoder, text: TextEncoder) -> None:
        super().__init__(options, image, text)
        width = self.width = options.width
        self.channel_dropout = nn.Dropout1d(options.channel_dropout)
        self.image = nn.Sequential(nn.Linear(image.channels, width), nn.LayerNorm(width))
        self.position = nn.Parameter(torch.zeros(image.cells, width))
        self.text = nn.Sequential(nn.Linear(text.width, width), nn.LayerNorm(width))
        self.image_gate = nn.Linear(width, width)
        self.text_gate = nn.Linear(width, width)
        self.glimpses = nn.Parameter(torch.randn(options.glimpses, width) * width**-0.5)
        self.seen = nn.Linear(options.glimpses * width, width)
        self.asked = nn.Linear(width, width)
        self.dropout = nn.Dropout(options.dropout)
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.position, std=0.02)

    def forward(self, image: Tensor, which: Tensor, text: TextFeatures) -> Tensor:
        """Attend to the grid, then multiply the result with the question."""
        image = self.channel_dropout(image.transpose(1, 2)).transpose(1, 2)
        cells = self.image(image) + self.position  # [m, cells, width]
        question = self.text(text.summary)  # [n, width]
        asked = self.text_gate(question).tanh()[:, None] * self.glimpses  # [n, glimpses, width]
        # Questions about one picture are grouped, so that its grid is not copied for each of them.
        place = _place(which, len(cells))  # [n]
        table = asked.new_zeros(len(cells), int(place.max()) + 1, *asked.shape[1:])
        table[which, place] = asked
        keys = self.image_gate(cells).tanh()  # [m, cells, width]
        weights = (table.flatten(1, 2) @ keys.transpose(1, 2)).softmax(2)  # [m, places * glimpses, cells]
        glimpses = (weights @ cells).view(table.shape)[which, place]  # [n, glimpses, width]
        seen = self.dropout(glimpses.flatten(1))
        joint = self.seen(seen).tanh() * self.asked(question).tanh() + question
        out: Tensor = self.dropout(self.norm(joint))
        return out


def _place(which: Tensor, pictures: int) -> Tensor:
    """The number of earlier questions about the same picture [n]."""
    about = torch.zeros(len(which), pictures, dtype=torch.long, device=which.device)
    about[torch.arange(len(which), device=which.device), which] = 1
    return about.cumsum(0)[about.bool()] - 1


FUSIONS: dict[str, type[Fusion]] = {
    "concatenation": Concatenation,
    "coattention": CoAttention,
    "bilinear": Bilinear,
    "glimpse_attention": GlimpseAttention,
}
FusionOptions = Annotated[
    Concatenation.Options | CoAttention.Options | Bilinear.Options | GlimpseAttention.Options,
    Field(discriminator="name"),
]
