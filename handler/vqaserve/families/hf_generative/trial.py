"""A trial of a model at its start: does it compute the same from kept pictures and prefixes as from the beginning?"""

from __future__ import annotations

import inspect
import logging
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from vqaserve.families.hf_generative.chat_prompt import ChatPrompt
from vqaserve.families.hf_generative.picture_tokens import encode_picture
from vqaserve.families.hf_generative.prefix_cache import PrefixCache
from vqaserve.families.hf_generative.prompt_reader import PromptReader
from vqaserve.families.hf_generative.token_choice import is_supported
from vqaserve.types import Query

log = logging.getLogger(__name__)

_QUERIES = Query(b"", "What is in the picture?"), Query(b"", "What colour is it, and how many are there?")
_TOLERANCE = 1e-3
"""Largest difference of logits, as a share of the largest logit; rounding in fp32 makes about 1e-6."""


def can_reuse(model: Any, processor: Any, prompts: ChatPrompt, device: torch.device) -> bool:
    """Whether a picture's tokens and a prompt's beginning can be computed once and used again.

    The trial asks two questions about a picture, the second after the first, and compares the logits with those of the
    whole prompts. Attention in both directions, sliding windows and unusual positions show there or in the config.
    """
    if reason := _unfit(model):
        log.info("%s: %s", model.config.model_type, reason)
        return False
    try:
        return _agrees(model, processor, prompts, device)
    except Exception as error:  # noqa: BLE001 - an architecture may refuse any of the calls in its own way
        log.info("%s: the trial failed: %r", model.config.model_type, error)
        return False


def _unfit(model: Any) -> str:
    """Why a model cannot be tried, or nothing."""
    if "mm_encoder_outputs" not in inspect.signature(model.forward).parameters:
        return "its forward takes no output of the vision tower"
    if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=model.config.get_text_config()).layers):
        return "its cache has sliding windows or other states than keys and values"
    if not is_supported(model.generation_config):
        return "its generation config asks for rules that only generate knows"
    return ""


@torch.inference_mode()
def _agrees(model: Any, processor: Any, prompts: ChatPrompt, device: torch.device) -> bool:
    picture = Image.radial_gradient("L").convert("RGB")
    encoded = encode_picture(model, processor, picture, device)
    ready = [prompts.tokens(query, [encoded], model) for query in _QUERIES]
    whole = [_whole(model, processor, prompts.text(query), picture, prompts.special, device) for query in _QUERIES]
    if any(prompt.ids.tolist() != ids for prompt, (ids, _) in zip(ready, whole, strict=True)):
        return False
    reading = PromptReader(model, PrefixCache(2**40), device).read(ready, 1)
    found = reading.logits[torch.tensor(reading.order).argsort()].float()
    expected = torch.cat([logits for _, logits in whole]).float()
    return bool((found - expected).abs().max() <= _TOLERANCE * expected.abs().max())


def _whole(
    model: Any, processor: Any, text: str, picture: Image.Image, special: dict[str, bool], device: torch.device
) -> tuple[list[int], Tensor]:
    """Ids of a prompt and logits of the next token [1, vocabulary], computed as transformers' documentation shows."""
    inputs = processor(images=[[picture]], text=[text], return_tensors="pt", **special)
    inputs.pop("labels", None)
    moved = {name: tensor.to(device) for name, tensor in inputs.items()}
    return inputs["input_ids"][0].tolist(), model(**moved, logits_to_keep=1).logits[:, -1]
