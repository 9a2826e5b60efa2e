"""The classifier on OpenVINO, which computes one picture at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor

from vqaserve.calibration import Machine
from vqaserve.errors import RecipeError
from vqaserve.families.class_names import read_class_names
from vqaserve.families.hf_folder import read_config, read_image_processor
from vqaserve.families.hf_image_classifier.family import HfImageClassifier, fitting, has_independent_scores
from vqaserve.families.hf_image_classifier.known_pictures import KnownPictures, read_known
from vqaserve.families.openvino import Graph, to_int8
from vqaserve.families.openvino_model import OpenVinoModel, check_settings
from vqaserve.families.openvino_pictures import compute, trace_encoder
from vqaserve.families.picture_inputs import PictureInputs
from vqaserve.families.probe import probe_answers
from vqaserve.families.rule import OPENVINO_FOLDER, left_open, load_first
from vqaserve.families.weight_files import mostly_linear
from vqaserve.settings import HandlerSettings

log = logging.getLogger(__name__)

_KEPT = ("model.classifier", "model.head")
"""Layers that int8 leaves alone: an error in the last one is not evened out by later ones."""


def convert(weights: Path) -> OpenVinoModel:
    """Convert a model.

    Raises:
        RecipeError: A file does not match the others, or the network cannot be converted.
    """
    family = HfImageClassifier.read(weights, torch.device("cpu"))
    expected = probe_answers(family)
    return OpenVinoModel(trace_encoder(weights, family.model, family.inputs, family.logits), expected)


def prepare(folder: Path, settings: HandlerSettings, prepared: Path) -> None:
    """Convert the network when the archive is built; see ``families.prepare``.

    With ``runtime: auto``, a network that cannot be converted is left to torch.
    """
    try:
        converted = convert(folder / settings.weights)
    except RecipeError as error:
        if settings.options.get("runtime") != "auto":
            raise
        log.warning("torch computes this model: %s", error)
        return
    converted.write(prepared / OPENVINO_FOLDER)


class OpenVinoImageClassifier(HfImageClassifier):
    """``HfImageClassifier`` with a network of OpenVINO."""

    runtime = "openvino"

    def __init__(
        self,
        config: Any,
        image_processor: Any,
        labels: Sequence[str],
        known: KnownPictures | None,
        network: Graph,
        precision: str,
    ) -> None:
        self.image_processor = image_processor
        self.inputs = PictureInputs(image_processor)
        self.labels = labels
        self.independent = has_independent_scores(config)
        self.known = known
        self.network = network
        self.precision = precision

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the converted network of the archive; a recipe that is not packed is converted first.

        ``precision: auto`` is the first precision of the static rule that keeps the answers.

        Raises:
            RecipeError: A file does not match the others, or the precision is not for this network or runtime.
            ChangedAnswers: Fewer probe answers stay the same than ``agreement`` sets.
        """
        check_settings(settings)
        weights, packed, precision = folder / settings.weights, folder / OPENVINO_FOLDER, settings.precision
        if precision == "auto":
            ways = fitting(left_open(settings, Machine.here().flags, ("openvino",)), weights)
            return load_first(lambda chosen: cls.load(folder, chosen), settings, ways)
        if precision == "int8" and not mostly_linear(weights):
            raise RecipeError(
                f"int8 on OpenVINO is for linear layers, and {weights} has mostly convolutions; set precision: bf16, "
                "fp32 or auto"
            )
        torch.set_num_threads(settings.threads)
        converted = OpenVinoModel.read(packed) if packed.is_dir() else convert(weights)
        if precision == "int8":
            to_int8(converted.network, _KEPT)
        config = read_config(weights)
        family = cls(
            config,
            read_image_processor(weights),
            read_class_names(weights, config),
            read_known(weights),
            Graph(converted.network, precision, settings.threads),
            precision,
        )
        converted.check(family, settings)
        return family

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """As ``HfImageClassifier.encode``."""
        return [self.scores(logits[None])[0] for logits in compute(self.network, self.inputs, pictures)]
