"""The ``hf_image_classifier`` family: Hugging Face models with a fixed list of classes, such as ViT or EfficientNet."""

from vqaserve.families.hf_image_classifier.family import HfImageClassifier

__all__ = ["HfImageClassifier"]
