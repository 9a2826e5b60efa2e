"""A Hugging Face folder whose model writes its answers: BLIP, and image-text-to-text models."""

from vqaserve.families.hf_generative.family import HfGenerative

__all__ = ["HfGenerative"]
