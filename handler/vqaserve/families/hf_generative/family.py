"""The ``hf_generative`` family: finds what fits a folder's architecture, and turns its tokens into answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import torch
from PIL.Image import Image
from pydantic import Field

from vqaserve.families.base import Family
from vqaserve.families.device import prepare_device
from vqaserve.families.generation import Written, check_manner, in_manners, merge, parameter_ranges
from vqaserve.families.hf_generative.blip import BlipWriter
from vqaserve.families.hf_generative.chat import ChatWriter
from vqaserve.families.hf_generative.writer import Writer
from vqaserve.families.options import Options, read_options
from vqaserve.families.precision import at_precision
from vqaserve.families.pretrained import in_one_line, read_config, read_model, read_processor
from vqaserve.settings import HandlerSettings, Limits
from vqaserve.types import Answer, Query

WRITERS: dict[str, type[Writer]] = {"BlipForQuestionAnswering": BlipWriter}
"""By architecture; every other goes through its processor and chat template."""


class GenerativeOptions(Options):
    """``options:`` of the family.

    Attributes:
        prompt: What the model is asked; ``{question}`` stands for the question. Without it, the question as it is,
            or as the architecture was taught (PaliGemma: ``answer en {question}``). Where the folder has no chat
            template it is the whole prompt, and the picture stands first unless the prompt holds its token.
        max_new_tokens: Length of the longest answer when the client does not say.
    """

    prompt: Annotated[str, Field(pattern=r"\{question\}")] | None = None
    max_new_tokens: Annotated[int, Field(gt=0)] = 20


class HfGenerative(Family[Any, list[list[Written]]]):
    """An unchanged Hugging Face folder whose model writes its answers.

    Answers are greedy unless the client sends ``num_beams`` or ``temperature``. A score is the probability of the whole
    answer: the product of its tokens' probabilities, its end included. ``top_k`` answers need as many beams.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"visual_question_answering"})

    def __init__(self, writer: Writer, options: GenerativeOptions, limits: Limits) -> None:
        self.writer = writer
        self.options = options
        self.limits = limits

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load what ``save_pretrained`` wrote for a model and its processor.

        Raises:
            RecipeError: A file is missing or does not fit the others.
        """
        device = prepare_device(settings)
        options = read_options(GenerativeOptions, settings)
        return at_precision(lambda: cls._read(folder / settings.weights, options, settings.limits, device), settings)

    @classmethod
    def _read(cls, weights: Path, options: GenerativeOptions, limits: Limits, device: torch.device) -> Self:
        config = read_config(weights)
        kind = WRITERS.get((config.architectures or [""])[0], ChatWriter)
        model, processor = read_model(kind.auto, weights, config), read_processor(weights)
        with in_one_line(weights):
            return cls(kind.load(model, processor, options.prompt, device), options, limits)

    @property
    def model(self) -> Any:
        """The network, for ``precision``."""
        return self.writer.model

    @model.setter
    def model(self, model: Any) -> None:
        self.writer.model = model

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.writer.device

    @property
    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """``max_new_tokens``, ``num_beams`` and ``temperature``."""
        return parameter_ranges(self.limits)

    def check(self, query: Query) -> None:
        """Refuse parameters that are out of range or do not go together.

        Raises:
            InvalidParameter: With what is allowed.
        """
        super().check(query)
        check_manner(query)

    def encode(self, pictures: Sequence[Image]) -> Sequence[Any]:
        """What the architecture can keep of each picture."""
        return self.writer.encode(pictures)

    def forward(self, features: Sequence[Any], queries: Sequence[Query]) -> list[list[Written]]:
        """The tokens of each query's answers; queries that ask for the same manner are written together."""
        written: dict[int, list[Written]] = {}
        for manner, rows in in_manners(queries, self.options.max_new_tokens):
            questions = [queries[row].question for row in rows]
            answers = self.writer.write([features[row] for row in rows], questions, manner)
            written.update(zip(rows, answers, strict=True))
        return [written[row] for row in range(len(queries))]

    def decode(self, outputs: list[list[Written]], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """The answers as text, most probable first; as many as there were beams for."""
        del queries  # ``forward`` has written as many as each asks
        decode = self.writer.processor.tokenizer.decode
        return [
            merge([(decode(tokens, skip_special_tokens=True).strip(), score) for tokens, score in answers])
            for answers in outputs
        ]
