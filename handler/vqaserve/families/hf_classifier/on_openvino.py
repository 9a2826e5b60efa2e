"""The classifier on OpenVINO, which computes one picture and one question at a time, so that nothing is padded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from vqaserve.calibration import Machine
from vqaserve.errors import RecipeError
from vqaserve.families.aspect_ratio import preprocess_any_shape
from vqaserve.families.class_names import read_class_names
from vqaserve.families.hf_classifier.family import (
    SCORES,
    ClassifierOptions,
    HfClassifier,
    max_question_tokens,
)
from vqaserve.families.hf_classifier.vilt import ViltGraph
from vqaserve.families.hf_folder import read_config, read_processor
from vqaserve.families.openvino import Graph, to_int8, trace
from vqaserve.families.openvino_model import OpenVinoModel, check_settings
from vqaserve.families.options import read_options
from vqaserve.families.probe import probe_answers
from vqaserve.families.rule import OPENVINO_FOLDER, left_open, load_first
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query

_GRAPHS = {"vilt": ViltGraph}
"""The traceable network of each ``model_type``, built from its model and image processor."""


def convert(folder: Path, settings: HandlerSettings) -> OpenVinoModel:
    """Convert a recipe's model.

    Raises:
        RecipeError: A file does not match the others, or the architecture cannot be traced.
    """
    graph_of = _graph_of(read_config(folder / settings.weights).model_type)
    options = {**settings.options, "runtime": "torch"}
    family = HfClassifier.load(folder, settings.model_copy(update={"options": options, "precision": "fp32"}))
    expected = probe_answers(family)
    graph = graph_of(family.model, family.processor.image_processor)
    side = family.model.config.image_size
    network = trace(graph, (torch.ones(1, 2, dtype=torch.long), torch.zeros(1, 3, side, side, dtype=torch.uint8)))
    return OpenVinoModel(network, expected)


def prepare(folder: Path, settings: HandlerSettings, prepared: Path) -> None:
    """Convert the network when the archive is built; see ``families.prepare``.

    With ``runtime: auto``, a network of another architecture is left to torch.
    """
    architecture = read_config(folder / settings.weights).model_type
    if settings.options.get("runtime") == "auto" and architecture not in _GRAPHS:
        return
    convert(folder, settings).write(prepared / OPENVINO_FOLDER)


def _graph_of(architecture: str) -> type[ViltGraph]:
    if architecture not in _GRAPHS:
        raise RecipeError(
            f"runtime 'openvino' supports {', '.join(sorted(_GRAPHS))}, and the model is {architecture}; "
            "set runtime: torch"
        )
    return _GRAPHS[architecture]


class OpenVinoClassifier(HfClassifier):
    """``HfClassifier`` with a network of OpenVINO."""

    runtime = "openvino"

    def __init__(
        self, processor: Any, answers: Sequence[str], options: ClassifierOptions, max_tokens: int, network: Graph
    ) -> None:
        self.processor = processor
        self.answers = answers
        self.scores = SCORES[options.scores]
        self.max_tokens = max_tokens
        self.network = network

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the processor and the converted network of the archive; a recipe that is not packed is converted first.

        ``precision: auto`` is the first precision of the static rule that keeps the answers.

        Raises:
            RecipeError: A file does not match the others.
            ChangedAnswers: Fewer probe answers stay the same than ``agreement`` sets.
        """
        check_settings(settings)
        if settings.precision == "auto":
            ways = left_open(settings, Machine.here().flags, ("openvino",))
            return load_first(lambda chosen: cls.load(folder, chosen), settings, ways)
        options, weights = read_options(ClassifierOptions, settings), folder / settings.weights
        precision = settings.precision
        torch.set_num_threads(settings.threads)
        packed = folder / OPENVINO_FOLDER
        converted = OpenVinoModel.read(packed) if packed.is_dir() else convert(folder, settings)
        config, processor = read_config(weights), read_processor(weights)
        if precision == "int8":
            to_int8(converted.network, _graph_of(config.model_type).kept)
        network = Graph(converted.network, precision, settings.threads)
        family = cls(
            processor, read_class_names(weights, config), options, max_question_tokens(processor, config), network
        )
        family.precision = precision
        converted.check(family, settings)
        return family

    def encode(self, pictures: Sequence[Image]) -> list[NDArray[np.uint8]]:  # type: ignore[override]
        """The resized pixels [1, 3, height, width] of each picture; the network does the rest of the preprocessing."""
        return [preprocess_any_shape(picture, self._resized) for picture in pictures]

    def forward(self, features: Sequence[NDArray[np.uint8]], queries: Sequence[Query]) -> Tensor:  # type: ignore[override]
        """Logits [n, answers], one row at a time; a batch would not be faster, and would need padding."""
        logits = [
            self.network(self._token_ids(query.question), pixels)[0]
            for pixels, query in zip(features, queries, strict=True)
        ]
        return torch.from_numpy(np.stack(logits))

    def _resized(self, picture: Image) -> NDArray[np.uint8]:
        prepared = self.processor.image_processor(picture, do_rescale=False, do_normalize=False, return_tensors="np")
        return np.ascontiguousarray(prepared["pixel_values"])

    def _token_ids(self, question: str) -> NDArray[np.int64]:
        token_ids = self.processor.tokenizer(question, truncation=True, max_length=self.max_tokens)["input_ids"]
        return np.asarray([token_ids], dtype=np.int64)
