"""The ``torchvision_classifier`` family: torchvision's EfficientNet, ResNet and ViT with a head of one's own."""

from vqaserve.families.torchvision_classifier.family import TorchvisionClassifier

__all__ = ["TorchvisionClassifier"]
