"""EfficientNet (Tan and Le 2019) with the tensor names of torchvision's ``EfficientNet``."""

from __future__ import annotations

from torch import Tensor, nn

from vqaserve.families.backbones.efficientnet import feature_layers


class EfficientNet(nn.Module):
    """Inverted residual blocks with squeeze-and-excitation, averaged to one vector."""

    def __init__(self, widen: float, deepen: float) -> None:
        """Scale B0, as ``feature_layers`` does."""
        super().__init__()
        self.features, self.width = feature_layers(widen, deepen)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, width]."""
        features: Tensor = self.features(pixels).mean((2, 3))
        return features
