"""ViLT as a traceable network for one picture and one question."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaserve.families.picture_inputs import Normalisation


class ViltGraph(nn.Module):
    """The layers of ``ViltForQuestionAnswering`` and the normalisation of its pictures, in one network.

    The forward of transformers samples patches at random, loops over the batch and masks padding, which cannot be
    traced. A single picture and question need no padding, and all patches are used (as with ``max_image_length = -1``).
    """

    kept: ClassVar[tuple[str, ...]] = ("vilt.encoder.layer.0", "vilt.pooler", "classifier")
    """Modules that int8 leaves in float32.

    Rounding the first layer affects all later ones, and the last layers cost little time. Leaving them out removes a
    quarter of int8's difference from fp32, for 4 % of its time (docs/explanation/performance-experiments.md)."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, image_processor: Any) -> None:
        super().__init__()
        self.vilt = model.vilt
        self.classifier = model.classifier
        self.side = model.config.image_size // model.config.patch_size
        normalisation = Normalisation.of(image_processor)
        self.register_buffer("mean", normalisation.mean)
        self.register_buffer("std", normalisation.std)

    def forward(self, tokens: Tensor, pixels: Tensor) -> Tensor:
        """Logits [1, answers] of token ids [1, length] and a resized picture [1, 3, height, width] in 0..255."""
        embeddings = self.vilt.embeddings
        text, image = embeddings.token_type_embeddings.weight[:2]
        question = embeddings.text_embeddings(input_ids=tokens) + text
        patches = embeddings.patch_embeddings((pixels.float() - self.mean) / self.std)  # [1, width, rows, columns]
        picture = embed_patches(embeddings, patches, self.side) + image
        states = torch.cat([question, picture], dim=1)
        for layer in self.vilt.encoder.layer:
            states = layer(states)[0]
        logits: Tensor = self.classifier(self.vilt.pooler(self.vilt.layernorm(states[:, :1])))
        return logits


def embed_patches(embeddings: Any, patches: Tensor, side: int) -> Tensor:
    """The first token of pictures and their patches row by row, with positions [n, 1 + rows x columns, width].

    The learned positions of a square grid are interpolated to the pictures' grid.

    Args:
        embeddings: ``ViltEmbeddings``.
        patches: Projected patches [n, width, rows, columns].
        side: Rows and columns of the square grid.
    """
    learned = embeddings.position_embeddings[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    size = (patches.shape[2], patches.shape[3])
    places = F.interpolate(learned, size=size, mode="bilinear", align_corners=True)
    first = (embeddings.cls_token + embeddings.position_embeddings[:, :1]).expand(patches.shape[0], -1, -1)
    return torch.cat([first, (patches + places).flatten(2).transpose(1, 2)], dim=1)
