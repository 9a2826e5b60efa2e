"""Classifiers that get further answers."""

from __future__ import annotations

import copy

import torch
from torch import nn


@torch.no_grad()
def widened_layer(layer: nn.Linear, answers: int) -> nn.Linear:
    """A copy of a layer with further answers, which it takes for as unlikely as its rarest ones.

    Args:
        layer: The classifier's last layer, with a bias.
        answers: The number of answers of the copy, at least as many as those of the layer.
    """
    wide = copy.deepcopy(layer)
    wide.out_features = answers
    more = answers - layer.out_features
    wide.weight = nn.Parameter(torch.cat([layer.weight, layer.weight.new_zeros(more, layer.in_features)]))
    wide.bias = nn.Parameter(torch.cat([layer.bias, layer.bias.min().expand(more)]))
    return wide
