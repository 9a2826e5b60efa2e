"""CLIP's similarity of picture and question in the prompt of a language model with a LoRA adapter."""

from vqaserve.families.clip_llm.family import ClipLlm

__all__ = ["ClipLlm"]
