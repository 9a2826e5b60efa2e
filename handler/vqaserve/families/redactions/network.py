"""The network: a small U-Net (Ronneberger et al. 2015) from a grey page to the cells that are redacted.

Convolutions are dense and have few channels, which processors compute faster than depthwise ones of the same quality.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.judge import BoxJudge

CELL = 2
"""Pixels of the network's input that one output cell stands for, in each direction."""

STRIDE = 32
"""Width and height of the input are multiples of this."""

_FIRST = 4  # pixels of a cell of the finest map


class PageNet(nn.Module):
    """Four maps on the way down, from 4 to 32 pixels a cell; the way up adds the coarse to the fine ones."""

    def __init__(self, config: RedactionsConfig) -> None:
        super().__init__()
        finest, *_, coarsest = config.channels
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(_FIRST), _convolution(_FIRST**2, finest), _convolution(finest, finest)
        )
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(fine, coarse, 2), _convolution(coarse, coarse), _convolution(coarse, coarse))
            for fine, coarse in pairwise(config.channels)
        )
        self.middle = _convolution(coarsest, coarsest)
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(config.channels))
        self.merge = nn.ModuleList(_convolution(fine, fine) for fine in config.channels[:-1])
        self.enlarge = nn.Upsample(scale_factor=2)
        self.head = nn.Sequential(nn.Conv2d(finest, (_FIRST // CELL) ** 2, 1), nn.PixelShuffle(_FIRST // CELL))

    def forward(self, ink: Tensor) -> Tensor:
        """Compute the logit of each cell.

        Args:
            ink: Pages [n, 1, height, width], 0 for white to 1 for black; height and width are multiples of ``STRIDE``.

        Returns:
            Logits [n, height / 2, width / 2].
        """
        maps = [self.stem(ink)]
        for down in self.down:
            maps.append(down(maps[-1]))
        above = self.middle(maps.pop())
        # The mean of the page tells a dark scan from a redaction, and one end of a large box from the other.
        above = above + above.mean((2, 3), keepdim=True)
        for up, merge in zip(reversed(self.up), reversed(self.merge), strict=True):
            above = merge(maps.pop() + self.enlarge(up(above)))
        logits: Tensor = self.head(above).squeeze(1)
        return logits


class Networks(nn.Module):
    """Both networks of a model: ``pages`` marks cells, ``boxes`` judges the boxes that become of them."""

    def __init__(self, config: RedactionsConfig) -> None:
        super().__init__()
        self.pages = PageNet(config)
        self.boxes = BoxJudge()


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
