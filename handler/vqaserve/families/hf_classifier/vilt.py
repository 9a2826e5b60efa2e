"""ViLT as a graph: whole, of one picture and one question, and without what only a batch needs."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ViltGraph(nn.Module):
    """The layers of a ``ViltForQuestionAnswering``, and the arithmetic of its picture preprocessing, in one network.

    transformers' own forward draws patches by chance, loops over the batch and masks padding, none of which can be
    traced. Alone, a picture and a question need no padding, and every patch is read (as ``max_image_length = -1``).
    """

    kept: ClassVar[tuple[str, ...]] = ("vilt.encoder.layer.0", "vilt.pooler", "classifier")
    """What int8 leaves alone: rounding the first layer's numbers is felt in all others, and the last ones cost nothing.
    A quarter of int8's distance from fp32 goes, for 4 % of its time (docs/explanation/performance-experiments.md)."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, image_processor: Any) -> None:
        super().__init__()
        self.vilt = model.vilt
        self.classifier = model.classifier
        self.side = model.config.image_size // model.config.patch_size
        scale = image_processor.rescale_factor if image_processor.do_rescale else 1.0
        mean, std = image_processor.image_mean, image_processor.image_std
        if not image_processor.do_normalize:
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1) / scale)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1) / scale)

    def forward(self, tokens: Tensor, pixels: Tensor) -> Tensor:
        """Logits [1, answers] of token numbers [1, length] and a resized picture [1, 3, height, width] in 0..255."""
        embeddings = self.vilt.embeddings
        text, image = embeddings.token_type_embeddings.weight[:2]
        question = embeddings.text_embeddings(input_ids=tokens) + text
        patches = embeddings.patch_embeddings((pixels.float() - self.mean) / self.std)  # [1, width, rows, columns]
        places = self._positions(patches.shape[2], patches.shape[3])
        first = embeddings.cls_token + embeddings.position_embeddings[:, :1]
        picture = torch.cat([first, (patches + places).flatten(2).transpose(1, 2)], dim=1) + image
        states = torch.cat([question, picture], dim=1)
        for layer in self.vilt.encoder.layer:
            states = layer(states)[0]
        logits: Tensor = self.classifier(self.vilt.pooler(self.vilt.layernorm(states[:, :1])))
        return logits

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Learned positions of a square grid, stretched onto the picture's [1, width, rows, columns]."""
        learned = self.vilt.embeddings.position_embeddings[:, 1:].transpose(1, 2)
        grid = learned.unflatten(2, (self.side, self.side))
        return F.interpolate(grid, size=(rows, columns), mode="bilinear", align_corners=True)
