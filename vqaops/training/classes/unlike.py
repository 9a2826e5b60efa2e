"""What a classifier keeps of its training pictures, so that it notices a picture that is unlike all of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vqaserve.families.familiarity import Familiarity, Known

_MOST = 2000
"""Pictures whose features are kept: 5 MB in half precision for EfficientNet-lite0."""
_SLACK = 1.25
"""Factor of the largest distance where there are too few held-out pictures to know the share."""


@torch.inference_mode()
def learn_familiarity(train: Tensor, held_out: Tensor, share: float, seed: int) -> tuple[Familiarity, Known]:
    """Keep features, and set the limit by pictures that were not learnt from.

    The limit is the conformal quantile of the held-out distances: of new pictures of the same classes, the given share
    is beyond it on average (Vovk et al. 2005).

    Args:
        train: Features of the training pictures [n, width].
        held_out: Features of other pictures of the same classes [m, width].
        share: Share of such pictures that may be marked.
        seed: Seed of the choice of pictures, if there are too many.
    """
    rng = torch.Generator().manual_seed(seed)
    kept = train[torch.randperm(len(train), generator=rng)[:_MOST]].float()
    familiarity = Familiarity.of(kept)
    distances = familiarity(held_out.float())[:, 0].sort().values
    rank = math.ceil((len(distances) + 1) * (1 - share))
    enough = rank <= len(distances)
    limit = float(distances[rank - 1]) if enough else _SLACK * float(distances[-1])
    return familiarity, Known(pictures=len(kept), limit=max(limit, 1e-6))
