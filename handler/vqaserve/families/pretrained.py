"""Reading a Hugging Face folder: safetensors only, no code of its own, and what does not fit said in one line.

Models, configs and processors are ``Any`` here and in the families: the attributes of each architecture are its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoProcessor, ProcessorMixin, logging
from transformers.utils.import_utils import is_torchvision_available

from vqaserve.errors import RecipeError

_SHOWN = 8  # tensors listed before the rest is only counted

# Never from the network, and never by running a folder's own Python.
_LOCAL = {"local_files_only": True, "trust_remote_code": False}

# SmolVLM's processor wants a library for videos; the one it was made from prepares pictures the same way.
_STAND_INS = {"SmolVLMProcessor": "Idefics3Processor"}


@contextmanager
def errors_in_one_line(folder: Path) -> Iterator[None]:
    """Say in one line, with the folder, what a library raises over its files."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # the libraries raise nearly anything over damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(f"{folder} does not load: {reason[:400]}") from error


def read_config(folder: Path) -> Any:
    """``config.json`` of a model's folder.

    Raises:
        RecipeError: It is missing, damaged, or of an architecture that transformers does not know.
    """
    if not (folder / "config.json").is_file():
        raise RecipeError(f"{folder / 'config.json'} is missing; {folder} must be what `save_pretrained` writes")
    with errors_in_one_line(folder):
        return AutoConfig.from_pretrained(folder, **_LOCAL)


def read_model(auto: Any, folder: Path, config: Any, **options: Any) -> Any:
    """A model with the weights in a folder, in float32 unless ``options`` say otherwise, ready for inference.

    Args:
        auto: The Auto class, or a model's own class.
        folder: What ``save_pretrained`` wrote.
        config: The folder's own.
        options: Passed on to ``from_pretrained``.

    Raises:
        RecipeError: A file is missing or damaged, or its tensors are not the model's; lists them.
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
    _check(folder, report)
    return model.eval()


def _check(folder: Path, report: dict[str, Any]) -> None:
    faults = [f"{name} is missing" for name in sorted(report["missing_keys"])]
    faults += [
        f"{name} is {list(found)}, {list(wanted)} would fit"
        for name, found, wanted in sorted(report["mismatched_keys"])
    ]
    faults += report["error_msgs"]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise RecipeError(f"{folder}: the weights do not fit config.json: {'; '.join(faults[:_SHOWN])}{more}")


def read_processor(folder: Path) -> Any:
    """Tokenizer and picture preprocessing of a folder; without torchvision, those parts that need none.

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
    return processor


def _processor_class(folder: Path) -> Any:
    """The folder's processor class; ``AutoProcessor`` unless that would ask for torchvision to read videos."""
    kind: Any = getattr(transformers, _processor_name(folder), None)
    if is_torchvision_available() or kind is None or "video_processor" not in kind.get_attributes():
        return AutoProcessor
    if kind.__name__ in _STAND_INS:
        return getattr(transformers, _STAND_INS[kind.__name__])

    parts = [name for name in kind.get_attributes() if name != "video_processor"]
    return type(kind.__name__, (kind,), {"get_attributes": classmethod(lambda cls: parts)})


def _processor_name(folder: Path) -> str:
    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            name = json.loads((folder / file).read_text(encoding="utf-8")).get("processor_class")
            if name:
                return str(name)
    return ""
