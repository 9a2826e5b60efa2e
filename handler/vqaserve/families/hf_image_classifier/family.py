"""The class that loads a Hugging Face classifier of pictures and ranks its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from transformers import AutoModelForImageClassification

from vqaserve.calibration import Arithmetic, Machine
from vqaserve.families.base import Family
from vqaserve.families.class_names import read_class_names
from vqaserve.families.device import prepare_device
from vqaserve.families.familiarity import rank_known
from vqaserve.families.hf_folder import read_config, read_image_processor, read_model, squeeze_of
from vqaserve.families.hf_image_classifier.known_pictures import KnownPictures, add_distance, read_known
from vqaserve.families.options import Options, read_options
from vqaserve.families.picture_inputs import PictureInputs
from vqaserve.families.pixels import encode_pictures, try_picture
from vqaserve.families.precision import load_at_precision
from vqaserve.families.rule import left_open, load_elsewhere, usable_runtimes
from vqaserve.families.weight_files import mostly_linear
from vqaserve.pictures import Squeeze
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query

_OPENVINO = "vqaserve.families.hf_image_classifier.on_openvino:OpenVinoImageClassifier"
"""Imported when it is used, because OpenVINO is an extra."""


class ImageClassifierOptions(Options):
    """The family's ``options:``.

    Attributes:
        runtime: The library that computes the network. ``openvino`` (an extra of that name, CPUs only) needs a network
            that is converted when the archive is built. ``auto`` packs it where the extra is installed and the network
            can be converted, and leaves the choice to the machine that serves.
    """

    runtime: Literal["torch", "openvino", "auto"] = "torch"


class HfImageClassifier(Family[Tensor, list[Tensor]]):
    """An unmodified Hugging Face folder with a classifier of pictures.

    A score is the softmax over the classes. For a model that was trained to see several classes in a picture, or has
    one class, it is the class's own sigmoid, as in Hugging Face's pipeline. Nothing is asked beside the picture, so its
    feature is the list of scores, and a known picture costs no computation. A model that knows the pictures that it was
    trained on adds the distance to the nearest of them, and abstains from pictures that are unlike all classes.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"image_classification"})
    shares: ClassVar[bool] = True

    def __init__(
        self,
        model: Any,
        image_processor: Any,
        labels: Sequence[str],
        device: torch.device,
        known: KnownPictures | None = None,
    ) -> None:
        self.model = model.to(device)
        self.image_processor = image_processor
        self.inputs = PictureInputs(image_processor)
        self.labels = labels
        self.device = device
        self.independent = has_independent_scores(model.config)
        self.known = known

    @property
    def abstains(self) -> bool:
        """Whether a picture that is unlike all classes is marked."""
        return self.known is not None

    @classmethod
    def candidates(cls, folder: Path, settings: HandlerSettings) -> Sequence[Arithmetic]:
        """As ``Family.candidates``, with OpenVINO if the archive has its network; int8 there is for linear layers."""
        ways = left_open(settings, Machine.here().flags, usable_runtimes(folder, settings))
        return fitting(ways, folder / settings.weights)

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the files that ``save_pretrained`` writes for a model and its image processor.

        The labels are those of ``index_to_name.json``, or else the config's ``id2label``.

        Raises:
            RecipeError: A file is missing, or does not match the others; or the model needs more than a picture.
        """
        read_options(ImageClassifierOptions, settings)
        if loaded := load_elsewhere(cls, _OPENVINO, folder, settings):
            return loaded
        device = prepare_device(settings)
        return load_at_precision(lambda: cls.read(folder / settings.weights, device), settings)

    @classmethod
    def read(cls, weights: Path, device: torch.device) -> Self:
        """Read the model in fp32.

        Raises:
            RecipeError: A file is missing, or does not match the others; or the model needs more than a picture.
        """
        config = read_config(weights)
        model, known = read_model(AutoModelForImageClassification, weights, config), read_known(weights)
        if known:
            add_distance(model, weights, known)
        family = cls(model, read_image_processor(weights), read_class_names(weights, config), device, known)
        try_picture(weights, model, "classify a picture by itself", family.encode)
        return family

    @property
    def squeeze(self) -> Squeeze | None:
        """The processor's resizing, where it does not depend on the picture's shape."""
        return squeeze_of(self.image_processor)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """The scores of each picture [classes], in fp32, and the distance if the model has one [classes + 1]."""
        return encode_pictures(pictures, self.inputs, self.model, self._scores)

    def _scores(self, **inputs: Tensor) -> Tensor:
        return self.scores(self.logits(**inputs)).cpu()

    def logits(self, **inputs: Tensor) -> Tensor:
        """The logits [n, classes] of the inputs of pictures, in fp32; with known pictures, the distance follows."""
        return self.model(**inputs).logits.float()  # type: ignore[no-any-return]

    def scores(self, logits: Tensor) -> Tensor:
        """The scores of the logits; a distance stays as it is."""
        classes, distance = logits[:, : len(self.labels)], logits[:, len(self.labels) :]
        return torch.cat([classes.sigmoid() if self.independent else classes.softmax(1), distance], 1)

    def forward(self, features: Sequence[Tensor], queries: Sequence[Query]) -> list[Tensor]:
        """The scores themselves; there is nothing left to compute."""
        del queries
        return list(features)

    def decode(self, outputs: list[Tensor], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """The classes with the highest scores, with ``abstained`` if the picture is unlike all classes."""
        pairs = zip(outputs, queries, strict=True)
        return [rank_known(scores, self.labels, query.top_k, self.known) for scores, query in pairs]

    def to_bytes(self, features: Tensor) -> bytes:
        """The scores as float32 bytes."""
        return features.numpy().tobytes()

    def from_bytes(self, data: bytes) -> Tensor:
        """The scores that ``to_bytes`` converted."""
        return torch.from_numpy(np.frombuffer(data, np.float32).copy())


def fitting(ways: Sequence[Arithmetic], weights: Path) -> list[Arithmetic]:
    """The ways to compute a network; int8 on OpenVINO is for one of mostly linear layers.

    Raises:
        RecipeError: A file of the weights is damaged.
    """
    int8 = Arithmetic(runtime="openvino", precision="int8")
    return [way for way in ways if way != int8 or mostly_linear(weights)]


def has_independent_scores(config: Any) -> bool:
    """Whether each class has a sigmoid of its own, as in Hugging Face's pipeline."""
    return bool(config.problem_type == "multi_label_classification" or config.num_labels == 1)
