"""How unlike everything learnt a picture is: the distance of its features to the nearest known ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Familiarity(nn.Module):
    """The distance to the nearest features of a picture that was learnt from.

    It is Euclidean, in units of each feature's deviation, averaged over the features; two pictures of the training are
    about 1 apart. The method is from "Out-of-Distribution Detection with Deep Nearest Neighbors" (Sun et al. 2022),
    with k = 1, but features keep their length: of pictures of one kind, such as a fabric, it tells most.
    """

    mean: Tensor
    scale: Tensor
    known: Tensor

    def __init__(self, pictures: int, width: int) -> None:
        """Know nothing yet; the buffers are filled from a file, or by ``of``."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("known", torch.zeros(pictures, width))

    @classmethod
    def of(cls, features: Tensor) -> Familiarity:
        """Know the features of some pictures [n, width]."""
        made = cls(*features.shape)
        deviation, mean = torch.std_mean(features, 0)
        made.mean.copy_(mean)
        made.scale.copy_(deviation.clamp(min=1e-4))
        made.known.copy_(made._standardised(features))
        return made

    def forward(self, features: Tensor) -> Tensor:
        """Map features [n, width] to distances [n, 1], in float32."""
        found, known = self._standardised(features), self.known.float()
        products = found @ known.T  # [n, pictures]
        squares = found.square().sum(1, keepdim=True) + known.square().sum(1) - 2 * products
        return (squares.amin(1, keepdim=True).clamp(min=0) / found.shape[1]).sqrt()

    def _standardised(self, features: Tensor) -> Tensor:
        return (features.float() - self.mean.float()) / self.scale.float()
