"""Batch normalisation folded into the convolutions before it, so that it costs nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fuse(network: Network) -> Network:
    """Fold each batch normalisation into the convolution that is the child before it, in place, for inference."""
    network.eval()
    for parent in list(network.modules()):
        for (first, convolution), (second, normalisation) in pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(convolution, normalisation))
                setattr(parent, second, nn.Identity())
    return network
