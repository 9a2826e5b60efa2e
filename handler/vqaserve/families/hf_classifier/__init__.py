"""Models that score a fixed list of answers, from an unchanged Hugging Face folder."""

from vqaserve.families.hf_classifier.family import HfClassifier

__all__ = ["HfClassifier"]
