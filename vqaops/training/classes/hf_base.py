"""A Hugging Face folder as the network that a training keeps as it is."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import torch
from PIL.Image import Image, Resampling, new
from torch import Tensor, nn
from transformers import AutoModelForImageClassification, logging

from vqaops.training.classes.base import Base, Learned
from vqaops.training.classes.settings import ClassTrainSettings
from vqaops.training.classes.unlike import learn_familiarity
from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import read_config, read_image_processor, read_model
from vqaserve.families.hf_image_classifier.known_pictures import write_known
from vqaserve.families.picture_inputs import PIXELS, Normalisation, PictureInputs

_PROCESSOR: Final = ("preprocessor_config.json", "processor_config.json")
_CLASSES: Final = 7
"""Classes of the head that is looked for: a number that no other layer of a network is likely to end in."""


@dataclass(frozen=True)
class HfBase(Base):
    """A model of ``AutoModelForImageClassification`` whose last layer is replaced.

    Attributes:
        folder: What ``save_pretrained`` wrote, of a classifier or of its encoder.
        inputs: Prepares pictures.
        resample: The image processor's filter.
        head: The name of its last layer.
    """

    folder: Path
    inputs: PictureInputs
    resample: Resampling
    head: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder, and try it.

        Raises:
            RecipeError: A file is missing or damaged, pictures are prepared in several sizes or to more than pixels, or
                the network does not end in one linear layer.
        """
        processor = read_image_processor(folder)
        resample = Resampling(getattr(processor, "resample", None) or Resampling.BICUBIC)
        inputs = PictureInputs(processor)
        try:
            pixels = inputs.one_size()
        except RecipeError as error:
            raise RecipeError(f"{folder} cannot be the base: {error}") from None
        labels = [str(number) for number in range(_CLASSES)]
        model = _load(folder, labels, _head_of)
        head = _head_of(model)
        _check_head(folder, model, head, inputs.normalisation, pixels)
        return cls(folder, inputs, resample, head)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @cached_property
    def digest(self) -> str:
        """A hash of the folder's files."""
        whole = hashlib.sha256()
        for path in sorted([*self.folder.glob("*.json"), *self.folder.glob("*.safetensors")]):
            with path.open("rb") as file:
                whole.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()

    @property
    def filter(self) -> Resampling:
        """The image processor's filter."""
        return self.resample

    @cached_property
    def side(self) -> int:
        """The larger side of a prepared picture; the image processor resizes and crops once more."""
        return max(self.prepare(new("RGB", (64, 64))).shape[1:])

    def prepare(self, picture: Image) -> Tensor:
        """What the image processor computes; bytes if it is one whose normalisation is done later."""
        return self.inputs.prepare(picture)[PIXELS]

    def prepare_square(self, square: Image) -> Tensor:
        """As ``prepare``."""
        return self.prepare(square)

    def build(self, dtype: torch.dtype) -> nn.Module:
        """The model without its head."""
        model = self._load([str(number) for number in range(_CLASSES)])
        model.set_submodule(self.head, nn.Identity())
        return _Features(model.to(dtype), self.inputs.normalisation, dtype)

    def write(self, weights: Path, settings: ClassTrainSettings, learned: Learned) -> None:
        """Write a Hugging Face folder with the trained head, in float32, and the known features beside it."""
        model = self._load(learned.labels)
        model.get_submodule(self.head).load_state_dict(learned.head.state_dict())
        model.save_pretrained(weights)
        for name in _PROCESSOR:
            if (self.folder / name).is_file() and self.folder.resolve() != weights.resolve():
                shutil.copyfile(self.folder / name, weights / name)
        familiarity, known = learn_familiarity(learned.train, learned.held_out, settings.unlike, settings.seed)
        write_known(weights, self.head, familiarity, known)

    def _load(self, labels: Sequence[str]) -> Any:
        return _load(self.folder, labels, lambda _: self.head)


class _Features(nn.Module):
    """A classifier, and the normalisation of its pictures."""

    def __init__(self, model: Any, normalise: Normalisation | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.normalise = normalise
        self.dtype = dtype

    def forward(self, pixels: Tensor) -> Tensor:
        normal = self.normalise(pixels) if self.normalise else pixels
        logits: Tensor = self.model(**{PIXELS: normal.to(self.dtype)}).logits
        return logits


def _load(folder: Path, labels: Sequence[str], head: Callable[[Any], str]) -> Any:
    """The model with a new head for these classes.

    Raises:
        RecipeError: A file is missing or damaged, or there is no linear layer for the classes.
    """
    config = read_config(folder)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it would report the head that is replaced
    try:
        return read_model(AutoModelForImageClassification, folder, config, replaced=head)
    finally:
        logging.set_verbosity(verbosity)


def _head_of(model: Any) -> str:
    """The name of the linear layer that ends in the model's classes.

    Raises:
        RecipeError: There is none with a bias, or several.
    """
    found = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.out_features == _CLASSES and layer.bias is not None
    ]
    if len(found) != 1:
        raise RecipeError(f"{type(model).__name__} cannot be the base: {len(found)} linear layers end in its classes")
    return str(found[0])


@torch.inference_mode()
def _check_head(folder: Path, model: Any, name: str, normalise: Normalisation | None, pixels: Tensor) -> None:
    """Refuse a network whose logits are anything but one linear layer of its features; the layer is removed.

    Raises:
        RecipeError: They are.
    """
    head, network = model.get_submodule(name), _Features(model, normalise, torch.float32)
    logits = network(pixels[None])
    model.set_submodule(name, nn.Identity())
    features = network(pixels[None])
    if features.dim() != 2 or not torch.allclose(head(features), logits, atol=1e-4):
        raise RecipeError(f"{folder} cannot be the base: {type(model).__name__} does not end in a linear layer")
