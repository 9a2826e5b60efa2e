"""A LoRA adapter that is trained: a new one on a decoder's attention, or the one that a recipe has.

LoRA is of Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), which trains the projections of the
attention alone.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from vqaserve.errors import RecipeError
from vqaserve.families.adapter import read_adapter
from vqaserve.families.generative import GenerativeFamily

RANK: Final = 16
_SCALE: Final = 2
"""``lora_alpha`` by rank: how much an adapter's output counts."""


def add_adapter(family: GenerativeFamily[Any, Any], folder: Path, rank: int | None) -> tuple[Any, int]:
    """Add an adapter to a family's model, in place; only the adapter has gradients.

    Args:
        family: Loaded without its adapter (``load_base``).
        folder: The recipe's adapter, which is gone on with if it exists.
        rank: The rank of a new adapter.

    Returns:
        The model of peft's, and the adapter's rank.

    Raises:
        RecipeError: The recipe's adapter has another rank, is no LoRA adapter or does not fit the model.
    """
    if folder.is_dir():
        adapted = read_adapter(family.model, folder, trainable=True)
        config = adapted.peft_config["default"]
        own = getattr(config, "r", None)
        if own is None:
            raise RecipeError(f"{folder} is of type {config.peft_type}; only LoRA adapters can be trained")
        if rank not in (None, own):
            raise RecipeError(
                f"--lora-rank is {rank}, and {folder} has rank {own}, which a training goes on with; leave the option "
                "out, or merge that adapter into its base model first"
            )
        return adapted, int(own)
    rank = rank or RANK
    torch.manual_seed(0)
    # No dropout, so that an epoch gives the same weights each time that it is computed.
    config = LoraConfig(r=rank, lora_alpha=_SCALE * rank, target_modules=_attention(family), lora_dropout=0.0)
    return get_peft_model(family.model, config).eval(), rank


def write_adapter(adapted: Any, folder: Path) -> None:
    """Write the files of an adapter as peft names them, without the path of its base model on this machine."""
    config = adapted.peft_config["default"]
    if Path(str(config.base_model_name_or_path)).exists():
        config.base_model_name_or_path = ""  # else peft would fill it in again
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # a form to be filled in; the recipe has its card
    file = folder / "adapter_config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["base_model_name_or_path"] = config.base_model_name_or_path or None
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _attention(family: GenerativeFamily[Any, Any]) -> str:
    """A pattern of the names of the linear layers in the attention of a family's decoder: q, k, v and o.

    Raises:
        RecipeError: There are none.
    """
    decoder = family.decoder
    prefix = next(name for name, module in family.model.named_modules() if module is decoder)
    inside = re.compile(r"(^|.*[._])(attn|attention|self_attn|crossattention)\.(.*\.)?(\w+)")
    ends = {
        found[4]
        for name, module in decoder.named_modules()
        if isinstance(module, nn.Linear) and (found := inside.fullmatch(name))
    }
    if not ends:
        raise RecipeError(f"the attention of {type(decoder).__name__} has no linear layers that an adapter can change")
    return rf"{re.escape(prefix)}\..*(attn|attention)\.(.*\.)?({'|'.join(sorted(ends))})"
