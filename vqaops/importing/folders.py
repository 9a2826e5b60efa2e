"""A Hugging Face folder as the weights of a recipe: the files that its loader reads, and the family that serves it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

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
INDEX: Final = ".index.json"
_FAMILIES: Final = {
    "visual-question-answering": "hf_classifier",
    "image-text-to-text": "hf_generative",
    "zero-shot-image-classification": "hf_zero_shot",
    "image-classification": "hf_image_classifier",
}
"""The family of each of the Hub's tasks; a model that writes its answers to questions is ``hf_generative``'s."""


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
    for index in [name for name in names if name.endswith(INDEX)]:
        listed = set(weight_map(folder / index).values())
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

    The class that was saved decides: CLIP, SigLIP and BLIP have classes for several tasks. A folder that names none of
    its classes is served as the first of: questions, candidate labels, classes.

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
    tasks = {
        "visual-question-answering": MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING,
        "image-text-to-text": MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        "zero-shot-image-classification": MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING,
        "image-classification": MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    }
    classes = {task: _classes(known[type(config)]) for task, known in tasks.items() if type(config) in known}
    saved = set(config.architectures or [])
    matching = [task for task, found in classes.items() if saved & {one.__name__ for one in found}]
    if task := next(iter([*matching, *classes]), None):
        writes = task == "visual-question-answering" and classes[task][0].can_generate()
        return ("hf_generative" if writes else _FAMILIES[task]), task
    model = ", ".join(config.architectures or []) or config.model_type
    raise RecipeError(
        f"{folder} holds a {model}, which neither answers questions about pictures nor names what they show; the "
        "families serve the models of AutoModelForVisualQuestionAnswering, AutoModelForImageTextToText, "
        "AutoModelForZeroShotImageClassification and AutoModelForImageClassification"
    )


def _classes(known: Any) -> Sequence[Any]:
    """The classes of a config in one of transformers' tables: one, or a tuple of several."""
    return known if isinstance(known, tuple) else (known,)


def _weights(names: list[str], where: str, pickled: bool) -> list[str]:
    """The first complete set of weights in transformers' order."""
    if _WHOLE in names:
        return [_WHOLE]
    if _WHOLE + INDEX in names:
        return [name for name in names if name == _WHOLE + INDEX or _SHARD.fullmatch(name)]
    found = [name for name in names if is_pickled(name)]
    if found:
        allow_pickled(found[0], where, pickled)
        return [_PICKLED_WHOLE] if _PICKLED_WHOLE in found else found
    others = [name for name in names if name.endswith((".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5"))]
    instead = f"; it has {', '.join(others[:4])}, which transformers does not load" if others else ""
    raise RecipeError(
        f"{where} holds no weights in *.safetensors under the names that transformers loads ({_WHOLE}, or "
        f"{_WHOLE}{INDEX} with its shards){instead}; save the model with `save_pretrained`"
    )


def weight_map(index: Path) -> dict[str, str]:
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
