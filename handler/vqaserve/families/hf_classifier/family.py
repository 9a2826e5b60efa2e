"""The ``hf_classifier`` family: Hugging Face models that score a fixed list of answers, such as ViLT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from PIL.Image import Image
from torch import Tensor
from transformers import AutoModelForVisualQuestionAnswering

from vqaserve.attribution import Attribution, unknown_answer
from vqaserve.calibration import Arithmetic, Machine
from vqaserve.errors import RecipeError
from vqaserve.families.base import Family
from vqaserve.families.class_names import read_class_names
from vqaserve.families.device import prepare_device
from vqaserve.families.hf_classifier.vilt_attention import relevance, sum_by_word
from vqaserve.families.hf_folder import read_config, read_model, read_processor
from vqaserve.families.options import Options, read_options
from vqaserve.families.packed import pack_encoder
from vqaserve.families.picture_inputs import PictureInputs
from vqaserve.families.pixels import group_by_shape
from vqaserve.families.precision import load_at_precision
from vqaserve.families.question_warnings import count_tokens, warn_if_cut
from vqaserve.families.ranking import rank
from vqaserve.families.rule import left_open, load_elsewhere, usable_runtimes
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query

PreparedPicture = Mapping[str, Tensor]

OPENVINO = "vqaserve.families.hf_classifier.on_openvino:OpenVinoClassifier"
"""Imported when it is used, because OpenVINO is an extra."""

SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda logits: logits.sigmoid(),
    "softmax": lambda logits: logits.softmax(1),
}


class ClassifierOptions(Options):
    """The family's ``options:``.

    Attributes:
        scores: ``sigmoid`` scores each answer independently, as ViLT was trained (several answers may be right) and as
            Hugging Face's pipeline did; ``softmax`` makes the scores add up to 1.
        runtime: The library that computes the network. ``openvino`` (an extra of that name, CPUs only) needs a network
            that is converted when the archive is built. ``auto`` packs it where the extra is installed, and leaves the
            choice to the machine that serves.
    """

    scores: Literal["sigmoid", "softmax"] = "sigmoid"
    runtime: Literal["torch", "openvino", "auto"] = "torch"


class HfClassifier(Family[PreparedPicture, Tensor]):
    """An unmodified Hugging Face folder with a classifier over answers.

    One network reads picture and question together, so ``encode`` returns only the prepared pixels: the next question
    about a picture saves decoding and resizing, but not the network.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"visual_question_answering"})
    learns: ClassVar[str] = "last layer"

    def __init__(
        self,
        model: Any,
        processor: Any,
        answers: Sequence[str],
        options: ClassifierOptions,
        device: torch.device,
    ) -> None:
        self.model = model.to(device)
        self.processor = processor
        self.inputs = PictureInputs(processor.image_processor)
        self.answers = answers
        self.scores = SCORES[options.scores]
        self.device = device
        self.max_tokens = max_question_tokens(processor, model.config)

    @classmethod
    def candidates(cls, folder: Path, settings: HandlerSettings) -> Sequence[Arithmetic]:
        """As ``Family.candidates``, with OpenVINO if it is installed and the archive has its network."""
        return left_open(settings, Machine.here().flags, usable_runtimes(folder, settings))

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the files that ``save_pretrained`` writes for a model and its processor.

        The answers are those of ``index_to_name.json``, or else the config's ``id2label``.

        Raises:
            RecipeError: A file is missing, or does not match the others.
        """
        options = read_options(ClassifierOptions, settings)
        if loaded := load_elsewhere(cls, OPENVINO, folder, settings):
            return loaded
        device = prepare_device(settings)
        family = load_at_precision(lambda: cls._read(folder / settings.weights, options, device), settings)
        if device.type == "cpu":
            pack_encoder(family.model)
        return family

    @classmethod
    def _read(cls, weights: Path, options: ClassifierOptions, device: torch.device) -> Self:
        config = read_config(weights)
        # ViLT draws this many patches at random when a picture has more; all of them give the same answer each time.
        if hasattr(config, "max_image_length"):
            config.max_image_length = -1
        model = read_model(AutoModelForVisualQuestionAnswering, weights, config)
        if model.can_generate():
            raise RecipeError(f"{weights} generates its answers ({config.model_type}); set family: hf_generative")
        return cls(model, read_processor(weights), read_class_names(weights, config), options, device)

    def encode(self, pictures: Sequence[Image]) -> list[PreparedPicture]:
        """The pixels of each picture, resized."""
        return [self.inputs.prepare(picture) for picture in pictures]

    def warnings(self, query: Query) -> tuple[str, ...]:
        """A warning if the question has more tokens than the model has positions."""
        return warn_if_cut(query.question, partial(count_tokens, self.processor.tokenizer), self.max_tokens)

    @torch.inference_mode()
    def forward(self, features: Sequence[PreparedPicture], queries: Sequence[Query]) -> Tensor:
        """Logits [n, answers]; pictures of equal shape share a batch, so that none is padded."""
        logits: dict[int, Tensor] = {}
        for rows in group_by_shape(features):
            tokens = self._tokens([queries[row].question for row in rows])
            pixels = self.inputs.join([features[row] for row in rows], self.device, self.model.dtype)
            outputs = self.model(**tokens, **pixels)
            logits.update(zip(rows, outputs.logits.float(), strict=True))
        return torch.stack([logits[row] for row in range(len(features))])

    def decode(self, outputs: Tensor, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """Return the answers with the highest scores."""
        rows = self.scores(outputs).cpu()
        return [rank(row, self.answers, query.top_k) for row, query in zip(rows, queries, strict=True)]

    def attribute(self, features: PreparedPicture, query: Query, answer: str) -> Attribution | None:
        """Gradient-weighted attention of a ViLT; None without gradients (OpenVINO, int8) and for other architectures.

        Raises:
            InvalidParameter: The model does not give the answer.
        """
        tokenizer = self.processor.tokenizer
        if self.runtime != "torch" or self.precision == "int8":
            return None
        if self.model.config.model_type != "vilt" or not tokenizer.is_fast:  # only fast ones know where a token was
            return None
        if answer not in self.answers:
            raise unknown_answer(answer)
        place = self.answers.index(answer)
        tokens = self._tokens([query.question], return_offsets_mapping=True)
        spans = tokens.pop("offset_mapping")[0].tolist()
        pixels = self.inputs.join([features], self.device, self.model.dtype)["pixel_values"]
        found = relevance(self.model, tokens, pixels, place)
        words = sum_by_word(query.question, spans, found.tokens.tolist())
        return Attribution(float(self.scores(found.logits)[0, place]), found.patches.tolist(), words)

    def _tokens(self, questions: Sequence[str], **more: bool) -> dict[str, Tensor]:
        tokens = self.processor.tokenizer(
            list(questions), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt", **more
        )
        return {name: tensor.to(self.device) for name, tensor in tokens.items()}


def max_question_tokens(processor: Any, config: Any) -> int:
    """Maximum number of tokens of a question; a tokenizer without a limit of its own gives 10^30."""
    return min(int(processor.tokenizer.model_max_length), int(config.max_position_embeddings))
