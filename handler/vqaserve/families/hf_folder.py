"""Loading Hugging Face folders: safetensors only, no code from the folder, and errors in one line.

Models, configs and processors are typed ``Any`` here and in the families, because their attributes depend on the
architecture.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from PIL.Image import Resampling
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, ProcessorMixin, logging
from transformers.models.auto import processing_auto
from transformers.utils.import_utils import is_torchvision_available

from vqaserve.errors import RecipeError
from vqaserve.families.weight_files import opened_tensors
from vqaserve.json_files import read_object
from vqaserve.pictures import Squeeze

_MAX_LISTED: Final = 8
"""Number of faulty tensors that a message lists; it counts the rest."""

# Never from the network, and never by running a folder's own Python.
_LOCAL: Final = {"local_files_only": True, "trust_remote_code": False}

# SmolVLM's processor needs a library for videos; Idefics3's, from which it is derived, prepares pictures the same way.
_REPLACEMENTS: Final = {"SmolVLMProcessor": "Idefics3Processor"}


# transformers says it in two ways: of an image processor, and of a model.
_MISSING_LIBRARY: Final = re.compile(r"Missing optional dependencies: ([\w-]+)\.|requires the (\w+) library")


@contextmanager
def errors_in_one_line(folder: Path) -> Iterator[None]:
    """Turn whatever a library raises about the files of a folder into one line that names the folder or the file."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # the libraries raise nearly anything over damaged files
        _refuse_damaged_file(folder)
        if missing := _MISSING_LIBRARY.search(str(error)):
            library = missing[1] or missing[2]
            raise RecipeError(
                f"{folder} needs {library}, which is not installed: .venv/bin/pip install {library}"
            ) from error
        reason = " ".join(str(error).split())
        if not reason or isinstance(error, LookupError | TypeError | AttributeError):  # a KeyError is a key alone
            reason = f"{type(error).__name__}: {reason}".removesuffix(": ")
        raise RecipeError(f"{folder} does not load: {reason[:400]}") from error


def _refuse_damaged_file(folder: Path) -> None:
    """Name the file of a folder that is damaged; the libraries' messages often name none.

    Raises:
        RecipeError: A JSON or safetensors file cannot be read.
    """
    for file in filter(Path.is_file, sorted(folder.glob("*.json"))):
        if file.read_bytes().startswith(codecs.BOM_UTF8):
            raise RecipeError(f"{file} begins with a byte order mark, which transformers refuses; save it without")
        read_object(file, strict=False)
    if (file := folder / "tokenizer.json").is_file():
        try:
            Tokenizer.from_file(str(file))
        except Exception as error:  # noqa: BLE001 - the library raises bare Exception
            raise RecipeError(f"{file} is not a file of the tokenizers library: {error}") from None
    for file in filter(Path.is_file, sorted(folder.glob("*.safetensors"))):
        with opened_tensors(file):
            pass


def read_config(folder: Path) -> Any:
    """Load ``config.json`` of a model's folder.

    Raises:
        RecipeError: The file is missing or damaged, its architecture is unknown to transformers, or the folder holds a
            LoRA adapter, which transformers would look for a base model for.
    """
    if (folder / "adapter_config.json").is_file():
        raise RecipeError(adapter_refusal(folder, (folder / "config.json").is_file()))
    if not (folder / "config.json").is_file():
        raise RecipeError(f"{folder / 'config.json'} is missing; {folder} must be what `save_pretrained` writes")
    with errors_in_one_line(folder):
        return AutoConfig.from_pretrained(folder, **_LOCAL)


def adapter_refusal(folder: Path, with_model: bool) -> str:
    """Why a folder with a LoRA adapter is not served, with the adapter's base model and what to do.

    Args:
        folder: A folder with ``adapter_config.json``.
        with_model: Whether the folder also holds a whole model.
    """
    base = "its base model"
    with suppress(RecipeError):
        base = str(_read_settings(folder / "adapter_config.json").get("base_model_name_or_path") or base)
    merge = (
        f"merge the adapter with peft (PeftModel.from_pretrained(model, {str(folder)!r}).merge_and_unload()), save the "
        "result with save_pretrained and give that folder"
    )
    if with_model:
        return (
            f"{folder} holds a LoRA adapter (adapter_config.json) beside a model, and would be served without it; "
            f"{merge}, or remove the adapter's files"
        )
    return (
        f"{folder} holds a LoRA adapter for {base}, not a whole model; {merge}. For CLIP with a language model: "
        "scripts/convert.py --clip DIR --llm DIR --adapter DIR"
    )


def read_model(
    auto: Any, folder: Path, config: Any, replaced: Callable[[Any], str] | None = None, **options: Any
) -> Any:
    """Load a model for inference, in float32 unless ``options`` set another type.

    Args:
        auto: The Auto class, or a model's own class.
        folder: A folder as ``save_pretrained`` writes it.
        config: The folder's config.
        replaced: Names a layer of the model whose tensors need not be the folder's, because it is trained anew.
        options: Further arguments of ``from_pretrained``.

    Raises:
        RecipeError: A file is missing or damaged, or the tensors do not match the config; the message lists them.
    """
    if not any(folder.glob("*.safetensors")):
        raise RecipeError(f"{folder} holds no *.safetensors file; save the model with `save_pretrained`")
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with errors_in_one_line(folder):
        # Wrong shapes come back in the report, which names them; the library's own error does not.
        model, report = auto.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **{"dtype": torch.float32, **_LOCAL, **options},
        )
    _check(folder, report, f"{replaced(model)}." if replaced else None)
    return model.eval()


def _check(folder: Path, report: dict[str, Any], replaced: str | None) -> None:
    def counts(name: str) -> bool:
        return replaced is None or not name.startswith(replaced)

    faults = [f"{name} is missing" for name in sorted(report["missing_keys"]) if counts(name)]
    faults += [
        f"{name} is {list(found)}, {list(wanted)} would fit"
        for name, found, wanted in sorted(report["mismatched_keys"])
        if counts(name)
    ]
    faults += report["error_msgs"]
    if faults:
        more = f"; and {len(faults) - _MAX_LISTED} more" if len(faults) > _MAX_LISTED else ""
        raise RecipeError(f"{folder}: the weights do not fit config.json: {'; '.join(faults[:_MAX_LISTED])}{more}")


def read_processor(folder: Path) -> Any:
    """Load the tokenizer and the picture preprocessing of a folder; without torchvision, leave out the video part.

    Folders of every library version work: the chat template may be in ``chat_template.jinja``,
    ``chat_template.json``, ``processor_config.json`` or ``tokenizer_config.json``.

    Raises:
        RecipeError: A file is missing or damaged.
    """
    with errors_in_one_line(folder):
        processor = _processor_class(folder).from_pretrained(folder, **_LOCAL)
        if not isinstance(processor, ProcessorMixin):
            raise RecipeError(
                f"{folder} needs both a tokenizer (tokenizer.json) and picture preprocessing "
                "(preprocessor_config.json or processor_config.json)"
            )
        check_vocabulary(processor.tokenizer, folder)
        _share_chat_template(processor)
    return processor


def check_vocabulary(tokenizer: Any, folder: Path) -> None:
    """Refuse a tokenizer without words: where a folder has no vocabulary, transformers makes an empty one.

    Raises:
        RecipeError: It knows nothing but its control tokens, so every question would be a row of unknown words.
    """
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise RecipeError(
            f"{folder} has no vocabulary, and every word of a question would be unknown; add tokenizer.json, as the "
            "tokenizer's `save_pretrained` writes it"
        )


def read_image_processor(folder: Path) -> Any:
    """Load the picture preprocessing of a folder without a tokenizer.

    Raises:
        RecipeError: The file is missing or damaged.
    """
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        raise RecipeError(f"{folder / 'preprocessor_config.json'} is missing; save the image processor there")
    with errors_in_one_line(folder):
        return AutoImageProcessor.from_pretrained(folder, **_LOCAL)  # type: ignore[no-untyped-call]


def squeeze_of(image_processor: Any) -> Squeeze | None:
    """The resizing that an image processor begins with; None if it depends on the picture's shape."""
    size: Any = image_processor.size if getattr(image_processor, "do_resize", False) else None
    if not size or not {"height", "width"} <= dict(size).keys():
        return None
    return Squeeze(int(size["width"]), int(size["height"]), Resampling(image_processor.resample))


def _share_chat_template(processor: Any) -> None:
    """Give the processor its tokenizer's chat template, where it has none itself."""
    if getattr(processor, "chat_template", None):
        return
    template = getattr(processor.tokenizer, "chat_template", None)
    if isinstance(template, dict):  # several, by name
        template = template.get("default") or next(iter(template.values()), None)
    processor.chat_template = template


def _processor_class(folder: Path) -> Any:
    """The folder's processor class; ``AutoProcessor`` unless it would need torchvision for its video part."""
    kind: Any = getattr(transformers, _processor_name(folder), None)
    if is_torchvision_available() or kind is None or "video_processor" not in kind.get_attributes():
        return AutoProcessor
    if kind.__name__ in _REPLACEMENTS:
        return getattr(transformers, _REPLACEMENTS[kind.__name__])

    parts = [name for name in kind.get_attributes() if name != "video_processor"]
    return type(kind.__name__, (kind,), {"get_attributes": classmethod(lambda cls: parts)})


def _processor_name(folder: Path) -> str:
    """The processor class that a file names, or else the one that transformers has for the model."""
    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        name = _read_settings(folder / file).get("processor_class")
        if name:
            return str(name)
    known: dict[str, str] = vars(processing_auto)["PROCESSOR_MAPPING_NAMES"]  # not exported by name
    return known.get(str(_read_settings(folder / "config.json").get("model_type")), "")


def _read_settings(file: Path) -> dict[str, Any]:
    """The settings in a file, empty if it is missing."""
    return read_object(file, strict=False) if file.is_file() else {}
