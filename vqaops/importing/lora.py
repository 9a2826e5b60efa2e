"""The LoRA adapter of a language model: its files, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.folders import allow_pickled
from vqaops.importing.model_configs import check_folder, model_kind
from vqaops.importing.own_names import OwnNames
from vqaserve.errors import RecipeError
from vqaserve.families.weight_files import opened_tensors
from vqaserve.json_files import read_object

WEIGHTS: Final = ("adapter_model.safetensors", "adapter_model.bin")


def find_weights(folder: Path, pickled: bool) -> Path:
    """Find the adapter's weights.

    Raises:
        RecipeError: The folder holds no LoRA adapter.
    """
    check_folder("--adapter", folder)
    if not (folder / "adapter_config.json").is_file():
        config = folder / "config.json"
        holds = model_kind(read_object(config, strict=False)) if config.is_file() else "no adapter"
        raise RecipeError(
            f"--adapter {folder} holds {holds} and no adapter_config.json; it takes a LoRA adapter, as peft's "
            "save_pretrained writes it. A model with a merged adapter needs none: serve it as it is"
        )
    kind = str(read_object(folder / "adapter_config.json", strict=False).get("peft_type", "")).upper()
    if kind != "LORA":
        raise RecipeError(
            f"--adapter {folder} is of type {kind or 'unknown'}; it takes a LoRA adapter (peft_type LORA)"
        )
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise RecipeError(f"--adapter {folder} holds neither {' nor '.join(WEIGHTS)}, the adapter's weights")
    if found.suffix == ".bin":
        allow_pickled(found.name, str(folder), pickled)
    return found


def check_fits(weights: Path, adapter: Path, llm: Path, names: Sequence[str]) -> None:
    """Compare the adapter's shapes with those of the layers that it changes.

    Raises:
        RecipeError: The language model has none of these layers, or one has another size.
    """
    given = _shapes([llm / name for name in names if name.endswith(".safetensors")])
    base = {own: given[name] for name, own in OwnNames(llm).of(list(given)).items()}
    if not base or "quantization_config" in read_object(llm / "config.json", strict=False):
        return  # pickled, or packed to other shapes; the build loads both
    named = read_object(adapter / "adapter_config.json", strict=False).get("base_model_name_or_path")
    trained_on = f"; the adapter was trained on {named}" if named else ""
    shapes = _adapter_shapes(weights)
    layers = {
        name.removeprefix("base_model.model.").rpartition(".lora_")[0]: name for name in shapes if ".lora_" in name
    }
    found = [layer for layer in layers if f"{layer}.weight" in base]
    if layers and not found:
        raise RecipeError(
            f"--adapter {adapter} changes {next(iter(layers))} and others, which --llm {llm} does not have{trained_on}"
        )
    for name, shape in shapes.items():
        layer, _, half = name.removeprefix("base_model.model.").rpartition(".lora_")
        wanted = base.get(f"{layer}.weight")
        if wanted is None or len(shape) != 2 or half[:1] not in "AB":
            continue
        size, axis = (shape[1], 1) if half[0] == "A" else (shape[0], 0)
        if size != wanted[axis]:
            raise RecipeError(
                f"--adapter {adapter} is for another model: {name} is {list(shape)}, and {layer}.weight of --llm {llm} "
                f"is {list(wanted)}{trained_on}"
            )


def _adapter_shapes(weights: Path) -> dict[str, Sequence[int]]:
    if weights.suffix == ".bin":
        return {name: tuple(tensor.shape) for name, tensor in read_checkpoint(weights).tensors.items()}
    return _shapes([weights])


def _shapes(files: Sequence[Path]) -> dict[str, Sequence[int]]:
    """Shapes of the tensors in safetensors files, from their headers.

    Raises:
        RecipeError: A file is damaged.
    """
    shapes: dict[str, Sequence[int]] = {}
    for file in files:
        with opened_tensors(file) as tensors:
            shapes |= {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
    return shapes
