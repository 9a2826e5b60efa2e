"""Loading the three folders of a ``clip_llm`` recipe."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import check_vocabulary, errors_in_one_line, read_config, read_model

_MAX_LISTED: Final = 4


def read_clip(folder: Path) -> Any:
    """Load a CLIP model.

    Raises:
        RecipeError: A file is missing or does not match the others, or the folder holds another kind of model.
    """
    model = read_model(AutoModel, folder, read_config(folder))
    if not hasattr(model, "get_text_features"):
        raise RecipeError(
            f"{folder} holds a {type(model).__name__}, which does not embed pictures and texts; a CLIP model does"
        )
    return model


def read_tokenizer(folder: Path) -> Any:
    """Load the language model's tokenizer, padding on the left so that the model continues every prompt at its end.

    Raises:
        RecipeError: A file is missing or damaged.
    """
    with errors_in_one_line(folder):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        check_vocabulary(tokenizer, folder)
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer


def read_language_model(base: Path, adapter: Path, *, merge: bool, four_bit: bool, device: torch.device) -> Any:
    """Load a causal language model with its LoRA adapter onto a device.

    Args:
        base: The language model's folder.
        adapter: The adapter's folder, as peft's ``save_pretrained`` writes it.
        merge: Whether the adapter is added to the base weights.
        four_bit: Whether the base is quantised to 4 bits.
        device: Where the model computes.

    Raises:
        RecipeError: A file is missing or does not match the others, the adapter has tensors that the model does not
            have or lacks some, or ``four_bit`` is set for a CPU.
    """
    if four_bit and device.type != "cuda":
        raise RecipeError(f"four_bit needs a GPU, and the device is {device}; set four_bit: false in handler.options")
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        if not (adapter / file).is_file():
            raise RecipeError(f"{adapter / file} is missing; {adapter} must be what peft's `save_pretrained` writes")
    model = read_model(AutoModelForCausalLM, base, read_config(base), **(_four_bit(device) if four_bit else {}))
    with errors_in_one_line(adapter), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".is_gradient_checkpointing")  # an old name that peft asks for
        # Tensors that the file lacks would silently stay random.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        adapted: Any = PeftModel.from_pretrained(
            model if four_bit else model.to(device), adapter, local_files_only=True
        )
        _check_all_used(adapter / "adapter_model.safetensors", adapted)
        return (adapted.merge_and_unload() if merge else adapted).eval()


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


def _four_bit(device: torch.device) -> dict[str, Any]:
    if find_spec("bitsandbytes") is None:
        raise RecipeError("four_bit needs bitsandbytes: .venv/bin/pip install -c constraints.txt -e '.[gpu]'")
    nf4: Any = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.bfloat16}
    quantization = BitsAndBytesConfig(**nf4)  # type: ignore[no-untyped-call]
    return {"quantization_config": quantization, "device_map": {"": device}, "dtype": torch.bfloat16}
