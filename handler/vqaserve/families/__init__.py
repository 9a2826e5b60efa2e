"""The table of model families; each is imported when it is used.

To add one, write a module with a subclass of ``Family`` (see ``base.py``) and add it to ``FAMILIES``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vqaserve.errors import RecipeError
from vqaserve.families.base import Family
from vqaserve.families.extras import import_object
from vqaserve.settings import HandlerSettings

FAMILIES = {
    "clip_llm": "vqaserve.families.clip_llm:ClipLlm",
    "dummy": "vqaserve.families.dummy:Dummy",
    "hf_classifier": "vqaserve.families.hf_classifier:HfClassifier",
    "hf_generative": "vqaserve.families.hf_generative:HfGenerative",
    "hf_image_classifier": "vqaserve.families.hf_image_classifier:HfImageClassifier",
    "hf_zero_shot": "vqaserve.families.hf_zero_shot:HfZeroShot",
    "modular": "vqaserve.families.modular:Modular",
    "redactions": "vqaserve.families.redactions:Redactions",
    "torchvision_classifier": "vqaserve.families.torchvision_classifier:TorchvisionClassifier",
}

_PREPARED = {
    ("hf_classifier", "openvino"): "vqaserve.families.hf_classifier.on_openvino:prepare",
    ("hf_image_classifier", "openvino"): "vqaserve.families.hf_image_classifier.on_openvino:prepare",
    ("torchvision_classifier", "openvino"): "vqaserve.families.torchvision_classifier.on_openvino:prepare",
}
"""Functions that compute files once for all workers when an archive is built, by family and ``options: runtime``."""


def find_family(name: str) -> type[Family[Any, Any]]:
    """Import the class of a family.

    Raises:
        RecipeError: The family does not exist, or a library that it needs is not installed.
    """
    if name not in FAMILIES:
        raise RecipeError(f"family {name!r} does not exist; there are: {', '.join(sorted(FAMILIES))}")
    family: type[Family[Any, Any]] = import_object(FAMILIES[name], f"family {name!r}")
    return family


def is_prepared(settings: HandlerSettings) -> bool:
    """Whether ``prepare`` writes anything for a recipe with these settings."""
    return _preparation(settings) is not None


def prepare(folder: Path, settings: HandlerSettings, prepared: Path) -> None:
    """Write the files that a family computes when the archive is built, so that no worker has to; most write none.

    Args:
        folder: The recipe's folder.
        settings: Its ``handler:`` section.
        prepared: An empty folder; its children are added at the archive's root.

    Raises:
        RecipeError: A file does not match the others, or a library is not installed.
    """
    if place := _preparation(settings):
        import_object(place, "runtime 'openvino'")(folder, settings, prepared)


def _preparation(settings: HandlerSettings) -> str | None:
    runtime = str(settings.options.get("runtime"))
    if runtime == "auto":  # pack what the machine that serves may choose
        runtime = "openvino" if find_spec("openvino") else "torch"
    return _PREPARED.get((settings.family, runtime))
