"""A checkpoint of torchvision's picture classifiers as a recipe of family ``torchvision_classifier``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.prefixes import strip_prefixes
from vqaops.importing.recipes import Origin, new_recipe
from vqaserve.errors import RecipeError
from vqaserve.families.torchvision_classifier.architectures import ARCHITECTURES, Classifier, check_crop
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig, Transforms
from vqaserve.validation import describe_faults

_HEADS: Final = frozenset({"fc", "classifier", "heads"})
_ROOTS: Final = _HEADS | {"features", "conv_proj", "class_token", "encoder", "conv1", "bn1"}
_ROOTS_OF_GROUPS: Final = frozenset(f"layer{number}" for number in range(1, 5))
_CONVERTED: Final = tuple(name for name, one in ARCHITECTURES.items() if one.of_torchvision)
_COUNTER: Final = "num_batches_tracked"
"""Steps of training that a batch normalisation counts; not every trainer saves them, and nothing reads them here."""

_DESCRIPTION: Final = (
    "Converted from a checkpoint of torchvision's `{architecture}`, `{checkpoint}`, with {classes} classes: {labels}. "
    "Fill in what it was trained on, on what terms, and what it cannot do.\n\n"
    "A picture's shorter side is resized to {resize} pixels ({resample}), and the middle of {crop} x {crop} pixels is "
    "used, as torchvision does for the ImageNet weights. If it was trained with other transforms, convert it again "
    "with `--resize`, `--crop`, `--resample`, `--mean` and `--std`."
)


@dataclass(frozen=True, slots=True)
class Converted:
    """What is to know about a recipe that was written.

    Attributes:
        passed_over: Names of what the checkpoint holds besides the weights.
        hint: A doubt that only the person who trained the network can settle; may be empty.
    """

    passed_over: tuple[str, ...]
    hint: str


def convert_classifier(
    checkpoint: Path,
    classes: str,
    output: Path,
    *,
    transforms: Mapping[str, Any],
    device: str = "auto",
) -> Converted:
    """Write a complete recipe of family ``torchvision_classifier``; nothing in the file is run.

    Args:
        checkpoint: A state dict of an EfficientNet, ResNet or ViT of torchvision with a linear head, in any wrapper.
        classes: The names of the classes with commas between, in the order of training.
        output: The recipe's folder; its name becomes the model's.
        transforms: Fields of ``Transforms`` that differ from those of the ImageNet weights.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        What the person who converts it should know.

    Raises:
        RecipeError: The file is missing or hostile, is of another model, or does not match the classes or transforms;
            or ``output`` exists already.
    """
    labels = _read_labels(classes)
    read = read_checkpoint(checkpoint)
    stripped = strip_prefixes(read.tensors, _ROOTS | _ROOTS_OF_GROUPS)
    backbone = {name: tensor for name, tensor in stripped.tensors.items() if name.partition(".")[0] not in _HEADS}
    architecture = _recognise(checkpoint, backbone)
    head = {name: tensor for name, tensor in stripped.tensors.items() if name not in backbone}
    config = TorchvisionConfig(
        architecture=architecture,
        labels=labels,
        transforms=_complete(ARCHITECTURES[architecture].transforms, transforms, architecture),
    )
    tensors = {f"backbone.{name}": tensor for name, tensor in _older_names(backbone).items()}
    tensors |= _read_head(head, Classifier(architecture, len(labels)).backbone.width, labels)
    for name in _wanted(architecture, len(labels)):
        if name.endswith(_COUNTER):
            tensors.setdefault(name, torch.tensor(0))
    origin = Origin(
        family="torchvision_classifier",
        pipeline_tag="image-classification",
        library_name="pytorch",
        description=_DESCRIPTION.format(
            architecture=architecture,
            checkpoint=checkpoint.name,
            classes=len(labels),
            labels=", ".join(labels),
            **config.transforms.model_dump(include={"resize", "crop", "resample"}),
        ),
        device=device,
    )
    with new_recipe(output, origin) as weights:
        save_file(
            {name: tensor.clone().contiguous() for name, tensor in tensors.items()}, weights / "model.safetensors"
        )
        (weights / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    passed_over = (*read.passed_over, *stripped.passed_over)
    return Converted(passed_over, _hint(architecture, transforms))


def _hint(architecture: str, given: Collection[str]) -> str:
    """How to convert a network that was trained from torchvision's newer weights, where they need another ``resize``.

    Args:
        architecture: The network.
        given: Names of the transforms that were chosen; who chose ``resize`` needs no hint.
    """
    usual, newer = ARCHITECTURES[architecture].transforms, ARCHITECTURES[architecture].newer
    if newer is None or "resize" in given:
        return ""
    wanted = newer.model_dump(include={"resize", "crop", "resample"})
    options = [f"--{name} {value}" for name, value in wanted.items() if value != getattr(usual, name)]
    return (
        f"pictures are prepared as for torchvision's weights IMAGENET1K_V1 of {architecture}; if yours was trained "
        f"from IMAGENET1K_V2 (DEFAULT), convert it again with {' '.join(options)}"
    )


def _read_labels(classes: str) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in classes.split(","))
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if len(labels) < 2 or not all(labels):
        raise RecipeError(f'--classes is {classes!r:.200}; it takes at least two names, as in "pizza,steak,sushi"')
    if twice:
        raise RecipeError(f"--classes has {', '.join(map(repr, twice))} twice; each class has a name of its own")
    return labels


def _recognise(checkpoint: Path, backbone: Mapping[str, Tensor]) -> str:
    """The architecture whose tensors have these names and shapes.

    Raises:
        RecipeError: There is none.
    """
    shapes = _shapes(_older_names(backbone))
    missing: dict[str, set[str]] = {}
    for architecture in _CONVERTED:
        wanted = _shapes(_wanted(architecture, 2), "backbone.")
        if wanted == shapes:
            return architecture
        missing[architecture] = {name for name in wanted.keys() | shapes if wanted.get(name) != shapes.get(name)}
    nearest = min(missing, key=lambda architecture: len(missing[architecture]))
    known = f"it takes: {', '.join(_CONVERTED)}"
    name = min(missing[nearest])
    if len(missing[nearest]) > len(shapes):
        raise RecipeError(f"{checkpoint} is none of torchvision's models that can be converted; {known}")
    fits, came = _shapes(_wanted(nearest, 2), "backbone.").get(name), shapes.get(name)
    difference = f"{name} is {list(came) if came else 'missing'}" + (f", not {list(fits)}" if fits else "")
    raise RecipeError(
        f"{checkpoint} is nearest to {nearest}, but {len(missing[nearest])} tensors differ: {difference}; {known}"
    )


def _wanted(architecture: str, classes: int) -> dict[str, Tensor]:
    """The tensors of an architecture, without their values."""
    with torch.device("meta"):
        return Classifier(architecture, classes).state_dict()


def _shapes(tensors: Mapping[str, Tensor], prefix: str = "") -> dict[str, tuple[int, ...]]:
    return {
        name.removeprefix(prefix): tuple(tensor.shape)
        for name, tensor in tensors.items()
        if name.startswith(prefix) and not name.endswith(_COUNTER)
    }


def _older_names(backbone: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the present names; torchvision before 0.13 named the linear layers of a ViT otherwise."""
    places = {"linear_1": "0", "linear_2": "3"}
    return {
        re.sub(r"(?<=\.mlp\.)linear_[12]", lambda found: places[found[0]], name): tensor
        for name, tensor in backbone.items()
    }


def _read_head(head: Mapping[str, Tensor], width: int, labels: Sequence[str]) -> dict[str, Tensor]:
    """The head's matrix and bias under our names, wherever in the replaced head the layer was.

    Raises:
        RecipeError: The head is not one linear layer from ``width`` values to these classes.
    """
    if not head:
        raise RecipeError(
            f"the checkpoint has no head ({', '.join(sorted(_HEADS))}); save the whole model's state dict"
        )
    places = {name.rpartition(".")[0] for name in head}
    ends = {name.rpartition(".")[2]: tensor for name, tensor in head.items()}
    matrix = ends.get("weight")
    if len(places) > 1 or matrix is None or matrix.ndim != 2 or not ends.keys() <= {"weight", "bias"}:
        raise RecipeError(f"the head is {_listed(head)}; it takes a head of one linear layer")
    rows, columns = matrix.shape
    if columns != width:
        raise RecipeError(f"the head is {_listed(head)}; the network before it gives {width} values")
    if rows != len(labels):
        raise RecipeError(
            f"--classes names {len(labels)} classes ({', '.join(labels)}), and the checkpoint's head has {rows}; name "
            "each class of the training, in its order"
        )
    return {"head.weight": matrix, "head.bias": ends.get("bias", torch.zeros(rows))}


def _listed(head: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in head.items())


def _complete(usual: Transforms, changes: Mapping[str, Any], architecture: str) -> Transforms:
    """The usual transforms with changes.

    Raises:
        RecipeError: They are out of range, or do not fit the network.
    """
    try:
        transforms = Transforms.model_validate({**usual.model_dump(), **changes})
    except ValidationError as error:
        raise RecipeError(f"the transforms do not fit: {describe_faults(Transforms, error)}") from None
    check_crop(architecture, transforms.crop)
    return transforms
