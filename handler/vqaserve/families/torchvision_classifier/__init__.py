"""The ``torchvision_classifier`` family: torchvision's EfficientNet, ResNet and ViT with a head of one's own.

EfficientNet-lite0 is here too: its ImageNet weights come in a package, so that a head can be trained without a hub.
"""

from vqaserve.families.torchvision_classifier.family import TorchvisionClassifier

__all__ = ["TorchvisionClassifier"]
