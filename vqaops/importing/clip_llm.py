"""CLIP, a language model and its LoRA adapter as a recipe of family ``clip_llm``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from safetensors.torch import save_file

from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.copied_files import copy_files
from vqaops.importing.folders import choose_local_files
from vqaops.importing.lora import WEIGHTS, check_fits, find_weights
from vqaops.importing.model_configs import check_folder, model_kind
from vqaops.importing.recipes import Origin, new_recipe
from vqaserve.errors import RecipeError
from vqaserve.families.extras import import_object
from vqaserve.families.options import read_options
from vqaserve.json_files import read_object
from vqaserve.settings import HandlerSettings

STARTUP_TIMEOUT: Final = 600
"""Seconds; a language model has gigabytes to read."""

_PREPROCESSING: Final = ("preprocessor_config.json", "processor_config.json")
_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "tekken.json")
_DESCRIPTION: Final = (
    "CLIP from `{clip}`, the language model from `{llm}` and its LoRA adapter from `{adapter}`, unchanged. Fill in "
    "where they are from, on what terms, and what they cannot do.\n\nThe adapter was trained with one prompt; compare "
    "`handler.options.prompt` in model-config.yaml with it."
)


def convert_folders(
    clip: Path,
    llm: Path,
    adapter: Path,
    output: Path,
    *,
    options: Mapping[str, Any],
    pickled: bool = False,
    device: str = "auto",
) -> None:
    """Write a complete recipe of family ``clip_llm``; no weights are loaded, and nothing in the files is run.

    Args:
        clip: A CLIP model with its processor.
        llm: A causal language model with its tokenizer.
        adapter: A LoRA adapter for the language model, as peft's ``save_pretrained`` writes it.
        output: The recipe's folder; its name becomes the model's.
        options: The recipe's ``options:``.
        pickled: Whether pickled weights are allowed.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        RecipeError: A folder holds something else than it should, or the adapter is not for this language model; or
            ``output`` exists already.
    """
    _check_clip(clip)
    _check_llm(llm)
    weights_file = find_weights(adapter, pickled)
    names = {folder: choose_local_files(folder, pickled) for folder in (clip, llm)}
    options = _complete(options)
    check_fits(weights_file, adapter, llm, names[llm])
    origin = Origin(
        family="clip_llm",
        pipeline_tag="visual-question-answering",
        library_name="transformers",
        description=_DESCRIPTION.format(
            clip=clip.resolve().name, llm=llm.resolve().name, adapter=adapter.resolve().name
        ),
        device=device,
        startup_timeout=STARTUP_TIMEOUT,
        base_model=_hub_name(read_object(adapter / "adapter_config.json", strict=False).get("base_model_name_or_path")),
        options=options,
    )
    with new_recipe(output, origin) as weights:
        for folder, name in ((clip, "clip"), (llm, "llm")):
            (weights / name).mkdir()
            copy_files(folder, weights / name, names[folder])
        (weights / "adapter").mkdir()
        copy_files(adapter, weights / "adapter", ["adapter_config.json"])
        if weights_file.suffix == ".bin":
            tensors = {name: tensor.clone() for name, tensor in read_checkpoint(weights_file).tensors.items()}
            save_file(tensors, weights / "adapter" / WEIGHTS[0], metadata={"format": "pt"})
        else:
            copy_files(adapter, weights / "adapter", [weights_file.name])


def _check_clip(folder: Path) -> None:
    config = _model_config("--clip", folder, "a CLIP model with its processor, such as openai/clip-vit-base-patch32")
    if "text_config" not in config or "vision_config" not in config or "clip" not in model_kind(config).lower():
        raise RecipeError(f"--clip {folder} holds a {model_kind(config)}; it takes a CLIP model (CLIPModel)")
    _check_one_of("--clip", folder, _PREPROCESSING, "picture preprocessing")
    _check_one_of("--clip", folder, (*_TOKENIZERS, "vocab.txt"), "a tokenizer")


def _check_llm(folder: Path) -> None:
    config = _model_config("--llm", folder, "a causal language model, such as mistralai/Mistral-7B-v0.1")
    causal = import_object(
        "transformers.models.auto.modeling_auto:MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "family 'clip_llm'"
    )
    if config.get("model_type") not in causal:
        raise RecipeError(
            f"--llm {folder} holds a {model_kind(config)}; it takes a causal language model (AutoModelForCausalLM)"
        )
    _check_one_of("--llm", folder, _TOKENIZERS, "a tokenizer")


def _complete(options: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's options with the prompt, which is to be seen and changed there.

    Raises:
        RecipeError: An option has a value that the family does not take, or a library is not installed.
    """
    kind = import_object("vqaserve.families.clip_llm.options:ClipLlmOptions", "family 'clip_llm'")
    settings = HandlerSettings(version="1.0.0", family="clip_llm", options=dict(options))
    chosen = read_options(kind, settings)
    return {"prompt": chosen.prompt, "marker": chosen.marker, **options}


def _model_config(option: str, folder: Path, wanted: str) -> dict[str, Any]:
    check_folder(option, folder)
    if not (folder / "config.json").is_file() and (folder / "adapter_config.json").is_file():
        raise RecipeError(f"{option} {folder} holds a LoRA adapter; it takes {wanted}. Give the adapter as --adapter")
    if not (folder / "config.json").is_file():
        raise RecipeError(f"{option} {folder} has no config.json; it takes the folder of {wanted}")
    return read_object(folder / "config.json", strict=False)


def _check_one_of(option: str, folder: Path, files: Sequence[str], what: str) -> None:
    if not any((folder / file).is_file() for file in files):
        raise RecipeError(f"{option} {folder} has no {what.removeprefix('a ')} ({' or '.join(files)}); add {what}")


def _hub_name(name: object) -> str | None:
    """The name, if it is a repository's on the Hub and not a path of the machine that trained the adapter."""
    return name if isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) else None
