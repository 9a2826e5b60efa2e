"""Loading CLIP and the language model of a ``clip_llm`` recipe."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import check_vocabulary, errors_in_one_line, read_config, read_model


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


def read_language_model(folder: Path, *, four_bit: bool, device: torch.device) -> Any:
    """Load a causal language model onto a device.

    Args:
        folder: The language model's folder.
        four_bit: Whether its weights are quantised to 4 bits.
        device: Where the model computes.

    Raises:
        RecipeError: A file is missing or does not match the others, or ``four_bit`` is set for a CPU.
    """
    if not four_bit:
        return read_model(AutoModelForCausalLM, folder, read_config(folder)).to(device)
    if device.type != "cuda":
        raise RecipeError(f"four_bit needs a GPU, and the device is {device}; set four_bit: false in handler.options")
    return read_model(AutoModelForCausalLM, folder, read_config(folder), **_four_bit(device))


def _four_bit(device: torch.device) -> dict[str, Any]:
    if find_spec("bitsandbytes") is None:
        raise RecipeError("four_bit needs bitsandbytes: .venv/bin/pip install -c constraints.txt -e '.[gpu]'")
    nf4: Any = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.bfloat16}
    quantization = BitsAndBytesConfig(**nf4)  # type: ignore[no-untyped-call]
    return {"quantization_config": quantization, "device_map": {"": device}, "dtype": torch.bfloat16}
