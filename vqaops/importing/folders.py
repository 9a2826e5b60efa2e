"""A Hugging Face folder as the weights of a recipe: the files that its loader reads, and the family that serves it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from safetensors.torch import save_file

from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.prefixes import strip_wrappers
from vqaserve.errors import RecipeError
from vqaserve.json_files import read_object

_LOADED: Final = re.compile(
    r"(config|generation_config|preprocessor_config|processor_config|video_preprocessor_config|chat_template|tokenizer"
    r"|tokenizer_config|special_tokens_map|added_tokens|tekken|index_to_name)\.json"
    r"|(vocab|merges|bpe|dict|sentencepiece|vocabulary)[\w.-]*\.(json|txt)|[\w.-]+\.(jinja|model|tiktoken|vocab)"
)
"""Settings, chat templates and vocabularies; not what training, cards and other frameworks leave in a folder."""

_WHOLE: Final = "model.safetensors"
_SHARD: Final = re.compile(r"model-\d+-of-\d+\.safetensors")
_PICKLED: Final = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?")
_SHARD_NAME: Final = re.compile(r"\w[\w.-]*\.(safetensors|bin)")
_PICKLED_WHOLE: Final = "pytorch_model.bin"
_ADAPTER: Final = "adapter_config.json"
_INDEX: Final = ".index.json"


def is_pickled(name: str) -> bool:
    """Whether a file holds pickled weights as transformers names them, or is the index of such files."""
    return _PICKLED.fullmatch(name) is not None


def choose_files(names: Iterable[str], where: str, pickled: bool) -> list[str]:
    """Choose the files that transformers loads, out of all files of a folder or repository.

    Of several copies of the weights this takes the one that transformers takes: ``model.safetensors``, then its shards,
    then pickled weights. Sub-folders hold other formats and are left out.

    Args:
        names: Paths relative to the folder.
        where: The folder or repository, for messages.
        pickled: Whether pickled weights are allowed where there are no safetensors.

    Raises:
        RecipeError: There are no weights that may be loaded, or the folder holds a LoRA adapter.
    """
    here = [name for name in names if "/" not in name]
    if _ADAPTER in here:
        raise RecipeError(
            f"{where} holds a LoRA adapter ({_ADAPTER}), which would not be loaded; merge it into its base model "
            "(peft's merge_and_unload, then save_pretrained) and give the merged model"
        )
    return [name for name in here if _LOADED.fullmatch(name)] + _weights(here, where, pickled)


def allow_pickled(name: str, where: str, pickled: bool) -> None:
    """Refuse a pickled file unless the user allowed it.

    Raises:
        RecipeError: ``pickled`` is False.
    """
    if not pickled:
        raise RecipeError(
            f"{where} has {name}, a pickled file, and no safetensors; --pickled accepts it, and reads its tensors "
            "without running anything in it"
        )


def choose_local_files(folder: Path, pickled: bool) -> list[str]:
    """Choose the files of a local folder that transformers loads.

    Raises:
        RecipeError: As ``choose_files``; or a file that the index names is missing.
    """
    if (folder / _ADAPTER).is_file():
        from vqaserve.families.hf_folder import adapter_refusal

        raise RecipeError(adapter_refusal(folder, (folder / "config.json").is_file()))
    names = choose_files(sorted(path.name for path in folder.iterdir() if path.is_file()), str(folder), pickled)
    for index in [name for name in names if name.endswith(_INDEX)]:
        listed = set(_weight_map(folder / index).values())
        names = [name for name in names if not (_SHARD.fullmatch(name) and name not in listed)]
        missing = sorted(name for name in listed if not (folder / name).is_file())
        if missing:
            raise RecipeError(
                f"{folder / index} lists {', '.join(missing)}, which {folder} does not have; copy it there"
            )
        names += sorted(listed - set(names))
    return names


def find_family(folder: Path) -> tuple[str, str]:
    """The family that serves a folder, and the Hub's name of its task.

    A model of several of the kinds is served as the first: questions, candidate labels, classes.

    Raises:
        RecipeError: No family serves it, or the folder does not hold a model.
    """
    try:
        # Importing transformers takes seconds, and it is optional.
        from transformers import (
            MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
            MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING,
            MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING,
        )

        from vqaserve.families.hf_folder import read_config
    except ModuleNotFoundError as error:
        raise RecipeError(
            f"{error.name} is not installed; .venv/bin/pip install -c constraints.txt -e '.[hf]'"
        ) from None
    config = read_config(folder)
    if type(config) in MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING:
        kind: Any = MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING[type(config)]
        family = "hf_generative" if kind.can_generate() else "hf_classifier"
        return family, "visual-question-answering"
    if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return "hf_generative", "image-text-to-text"
    # CLIP and SigLIP also have a class with a classifier of pictures; their files say which one was saved.
    saved_as_classifier = any(name.endswith("ForImageClassification") for name in config.architectures or [])
    if type(config) in MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING and not saved_as_classifier:
        return "hf_zero_shot", "zero-shot-image-classification"
    if type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        return "hf_image_classifier", "image-classification"
    model = ", ".join(config.architectures or []) or config.model_type
    raise RecipeError(
        f"{folder} holds a {model}, which neither answers questions about pictures nor names what they show; the "
        "families serve the models of AutoModelForVisualQuestionAnswering, AutoModelForImageTextToText, "
        "AutoModelForZeroShotImageClassification and AutoModelForImageClassification"
    )


def copy_files(folder: Path, weights: Path, names: Iterable[str]) -> None:
    """Copy the named files to ``weights``; safetensors become hard links where the disk allows, because they are large.

    Pickled weights are rewritten as safetensors without running anything in them.

    Raises:
        RecipeError: Pickled weights are damaged or hostile.
    """
    for name in names:
        if is_pickled(name) and name.endswith(_INDEX):
            _rewrite_index(folder / name, weights / _as_safetensors(name))
        elif name.endswith(".bin"):
            # Copies, because safetensors refuses tensors that share memory.
            tensors = strip_wrappers(read_checkpoint(folder / name).tensors).tensors
            copied = {key: tensor.clone().contiguous() for key, tensor in tensors.items()}
            save_file(copied, weights / _as_safetensors(name), metadata={"format": "pt"})
        elif name.endswith(".safetensors"):
            _link(folder / name, weights / name)
        else:  # small, and the user may want to edit it
            shutil.copyfile(folder / name, weights / name)


def _weights(names: list[str], where: str, pickled: bool) -> list[str]:
    """The first complete set of weights in transformers' order."""
    if _WHOLE in names:
        return [_WHOLE]
    if _WHOLE + _INDEX in names:
        return [name for name in names if name == _WHOLE + _INDEX or _SHARD.fullmatch(name)]
    found = [name for name in names if is_pickled(name)]
    if found:
        allow_pickled(found[0], where, pickled)
        return [_PICKLED_WHOLE] if _PICKLED_WHOLE in found else found
    others = [name for name in names if name.endswith((".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5"))]
    instead = f"; it has {', '.join(others[:4])}, which transformers does not load" if others else ""
    raise RecipeError(
        f"{where} holds no weights in *.safetensors under the names that transformers loads ({_WHOLE}, or "
        f"{_WHOLE}{_INDEX} with its shards){instead}; save the model with `save_pretrained`"
    )


def _as_safetensors(name: str) -> str:
    return name.replace("pytorch_model", "model").replace(".bin", ".safetensors")


def _weight_map(index: Path) -> dict[str, str]:
    """The file of each tensor.

    Raises:
        RecipeError: The index is damaged.
    """
    files = read_object(index).get("weight_map")
    if not isinstance(files, dict):
        raise RecipeError(f"{index} is not an index of weights: it has no object `weight_map`")
    for tensor, file in files.items():
        if not isinstance(file, str) or not _SHARD_NAME.fullmatch(file):
            raise RecipeError(f"{index} names the file {file!r:.60} for {tensor:.60}; a shard lies beside the index")
    return files


def _rewrite_index(source: Path, target: Path) -> None:
    files = {tensor: _as_safetensors(file) for tensor, file in _weight_map(source).items()}
    target.write_text(json.dumps({"metadata": {}, "weight_map": files}, indent=2) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    source = source.resolve()  # the Hub's cache consists of symbolic links
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
