"""LoRA adapters: reading what peft's ``save_pretrained`` writes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open

from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import errors_in_one_line

FOLDER: Final = "adapter"
"""The sub-folder of a recipe's weights with the adapter."""

_FILES: Final = ("adapter_config.json", "adapter_model.safetensors")
_MAX_LISTED: Final = 4


def read_adapter(model: Any, folder: Path, *, trainable: bool = False) -> Any:
    """Add an adapter to a model, whose layers are changed in place.

    Args:
        model: The model that the adapter was trained on.
        folder: The adapter's folder, as peft's ``save_pretrained`` writes it.
        trainable: Whether the adapter will be trained.

    Returns:
        The model of peft's around ``model``, for inference.

    Raises:
        RecipeError: A file is missing or damaged, or the adapter has other tensors than the model has places for.
    """
    for file in _FILES:
        if not (folder / file).is_file():
            raise RecipeError(f"{folder / file} is missing; {folder} must be what peft's `save_pretrained` writes")
    with errors_in_one_line(folder), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".is_gradient_checkpointing")  # an old name that peft asks for
        # Tensors that the file lacks would silently stay random.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        adapted: Any = PeftModel.from_pretrained(model, folder, is_trainable=trainable, local_files_only=True)
        _check_all_used(folder / _FILES[1], adapted)
        return adapted.eval()


def merge_adapter(model: Any, folder: Path) -> Any:
    """Add an adapter to a model's own weights, so that it computes as fast as without one.

    Raises:
        RecipeError: As ``read_adapter``.
    """
    return read_adapter(model, folder).merge_and_unload().eval()


def _check_all_used(file: Path, adapted: Any) -> None:
    """Refuse an adapter with tensors that peft passed over.

    Raises:
        RecipeError: The message lists them.
    """
    with safe_open(file, "pt") as tensors:
        unused = sorted(set(tensors.keys()) - set(get_peft_model_state_dict(adapted)))
    if unused:
        more = f" and {len(unused) - _MAX_LISTED} more" if len(unused) > _MAX_LISTED else ""
        raise RecipeError(
            f"{file} holds {', '.join(unused[:_MAX_LISTED])}{more}, which the language model has no place for; is it "
            "the base model that the adapter was trained on, and does adapter_config.json name all target_modules?"
        )
