"""Tiny random models of the real classes, each created in less than a second and saved as users save it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from vqaserve.families import find_family

DEFAULT_TASK = "visual_question_answering"
"""The task of a kind whose family has several."""

KINDS = {
    "dummy": ("dummy", "tests.tiny.dummy:make"),
    "modular": ("modular", "tests.tiny.modular:make"),
    "vilt": ("hf_classifier", "tests.tiny.vilt:make"),
    "vilt_openvino": ("hf_classifier", "tests.tiny.vilt:make_openvino"),
    "blip": ("hf_generative", "tests.tiny.blip:make"),
    "llava": ("hf_generative", "tests.tiny.chat:make_llava"),
    "qwen2_vl": ("hf_generative", "tests.tiny.chat:make_qwen2_vl"),
    "smolvlm": ("hf_generative", "tests.tiny.chat:make_smolvlm"),
    "paligemma": ("hf_generative", "tests.tiny.chat:make_paligemma"),
    "clip": ("hf_zero_shot", "tests.tiny.zero_shot:make_clip"),
    "siglip": ("hf_zero_shot", "tests.tiny.zero_shot:make_siglip"),
    "redactions": ("redactions", "tests.tiny.redactions:make"),
    "torchvision": ("torchvision_classifier", "tests.tiny.torchvision_classifier:make"),
    "vit": ("hf_image_classifier", "tests.tiny.image_classifier:make"),
    "clip_llm": ("clip_llm", "tests.tiny.clip_llm:make"),
}
"""Kinds of models: the family, and the function that fills a new weights folder and returns the ``options:``."""


def make_weights(kind: str, weights: Path) -> dict[str, Any]:
    """Fill a new ``weights`` folder, and return the ``handler:`` settings that serve it.

    A family's name means the first of its kinds.
    """
    if kind not in KINDS:
        kind = next(name for name, (family, _) in KINDS.items() if family == kind)
    family, place = KINDS[kind]
    module, _, function = place.partition(":")
    options = getattr(import_module(module), function)(weights)
    tasks = find_family(family).tasks
    task = DEFAULT_TASK if DEFAULT_TASK in tasks else min(tasks)
    return {"version": "1.0.0", "task": task, "family": family, "weights": weights.name, "options": options}
