"""How unlike everything learnt a picture is: the distance of its features to the nearest known ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from vqaserve.families.ranking import rank
from vqaserve.types import Answer
from vqaserve.validation import FrozenModel


class Known(FrozenModel):
    """What a model knows of the pictures that it was trained on.

    Attributes:
        pictures: The number of pictures whose features are in the weights.
        limit: A picture with a larger distance to the nearest of them is unlike all classes.
    """

    pictures: Annotated[int, Field(gt=0)]
    limit: Annotated[float, Field(gt=0)]


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


def rank_known(scores: Tensor, labels: Sequence[str], top_k: int | None, known: Known | None) -> tuple[Answer, ...]:
    """The classes with the highest scores, with ``abstained`` if the picture is unlike all of them.

    Args:
        scores: Of each class, and then the distance if there are known pictures.
        labels: The classes.
        top_k: As of ``rank``.
        known: By what such a picture is noticed; None if it is not.
    """
    ranked = rank(scores[: len(labels)], labels, top_k)
    if known is None or scores[-1] <= known.limit:
        return ranked
    return tuple(replace(answer, abstained=True) for answer in ranked)
