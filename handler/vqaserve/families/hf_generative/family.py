"""The ``hf_generative`` family: Hugging Face models that generate their answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import torch
from PIL.Image import Image
from pydantic import Field

from vqaserve.families.answer_logits import AnswerLogits
from vqaserve.families.device import prepare_device
from vqaserve.families.extras import import_object
from vqaserve.families.following import Listener, certain_text
from vqaserve.families.generated import GeneratedAnswer, to_answers
from vqaserve.families.generative import GenerativeFamily
from vqaserve.families.hf_folder import errors_in_one_line, read_config, read_model, read_processor
from vqaserve.families.hf_generative.blip import BlipGenerator
from vqaserve.families.hf_generative.chat import ChatGenerator
from vqaserve.families.hf_generative.generator import AnswerGenerator
from vqaserve.families.options import Options, read_options
from vqaserve.families.precision import load_at_precision
from vqaserve.limits import Limits
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query
from vqaserve.writing import Progress

GENERATORS: dict[str, type[AnswerGenerator]] = {"BlipForQuestionAnswering": BlipGenerator}
"""Generators by architecture; all other architectures use their processor and chat template (``ChatGenerator``)."""


class GenerativeOptions(Options):
    """The family's ``options:``.

    Attributes:
        prompt: The prompt; ``{question}`` is replaced by the question. The default is the question alone, or the prompt
            that the architecture was trained with (PaliGemma: ``answer en {question}``). With a chat template it is the
            text of the user's turn; without one it is the whole prompt, and the picture comes first unless the prompt
            contains the picture's token.
        max_new_tokens: Default maximum length of an answer.
    """

    prompt: Annotated[str, Field(pattern=r"\{question\}")] | None = None
    max_new_tokens: Annotated[int, Field(gt=0)] = 20


class HfGenerative(GenerativeFamily[Any, list[list[GeneratedAnswer]]]):
    """An unmodified Hugging Face folder with a model that generates its answers, and its LoRA adapter if it has one.

    Search is greedy unless the client sends ``num_beams`` or ``temperature``. The score is the probability of the whole
    answer, which is the product of the probabilities of its tokens and its end token. ``top_k`` answers need ``top_k``
    beams.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"visual_question_answering"})

    def __init__(self, generator: AnswerGenerator, options: GenerativeOptions, limits: Limits) -> None:
        self.generator = generator
        self.options = options
        self.limits = limits

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the files that ``save_pretrained`` writes for a model and its processor, and merge ``adapter/``.

        Raises:
            RecipeError: A file is missing, or does not match the others.
        """
        device = prepare_device(settings)
        return load_at_precision(lambda: cls._read(folder / settings.weights, settings, device, adapted=True), settings)

    @classmethod
    def load_base(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load the same in fp32, without the adapter.

        Raises:
            RecipeError: As ``load``.
        """
        return cls._read(folder / settings.weights, settings, prepare_device(settings), adapted=False)

    @classmethod
    def _read(cls, weights: Path, settings: HandlerSettings, device: torch.device, *, adapted: bool) -> Self:
        options = read_options(GenerativeOptions, settings)
        config = read_config(weights)
        kind = GENERATORS.get((config.architectures or [""])[0], ChatGenerator)
        model, processor = read_model(kind.auto, weights, config), read_processor(weights)
        if adapted and (weights / "adapter").is_dir():
            # Imported here, because peft takes a second and few recipes have an adapter.
            merge = import_object("vqaserve.families.adapter:merge_adapter", str(weights / "adapter"))
            model = merge(model, weights / "adapter")
        with errors_in_one_line(weights):
            return cls(kind.load(model, processor, options.prompt, device, settings), options, settings.limits)

    @property
    def model(self) -> Any:
        """The network; ``precision.py`` replaces it."""
        return self.generator.model

    @model.setter
    def model(self, model: Any) -> None:
        self.generator.model = model
        self.generator.model_changed()

    @property
    def decoder(self) -> Any:
        """The language model, or the part of BLIP that writes."""
        return self.generator.decoder

    def answer_logits(
        self, features: Sequence[Any], queries: Sequence[Query], answers: Sequence[str]
    ) -> list[AnswerLogits]:
        """The logits for given answers, as the architecture was trained to write them.

        Raises:
            RecipeError: The architecture cannot be trained in this way.
        """
        return self.generator.answer_logits(features, queries, answers)

    @property
    def caches(self) -> dict[str, dict[str, int]]:
        """The counters of the cache of prefixes, for an architecture that has one."""
        return self.generator.caches

    @property
    def reads_conversations(self) -> bool:
        """Whether the architecture has a chat template for earlier turns and several pictures."""
        return self.generator.reads_conversations

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self.generator.device

    def encode(self, pictures: Sequence[Image]) -> Sequence[Any]:
        """The features that the architecture can compute from a picture alone."""
        return self.generator.encode(pictures)

    def join(self, features: Sequence[Any]) -> Any:
        """The features of all pictures of a conversation."""
        return self.generator.join(features)

    def examine(self, features: Any, query: Query) -> None:
        """Refuse a query whose prompt is over a limit.

        Raises:
            InvalidQuestion: The message says which limit.
        """
        self.generator.examine(features, query)

    def warnings(self, query: Query) -> tuple[str, ...]:
        """What of the query the architecture does not read."""
        return self.generator.warnings(query)

    def write(
        self, features: Sequence[Any], queries: Sequence[Query], progress: Progress
    ) -> list[list[GeneratedAnswer]]:
        """The generated answers of each query."""
        tokenizer = self.generator.processor.tokenizer
        # Such a tokenizer removes blanks between words once it sees the next one: "don 't".
        joins_words = bool(getattr(tokenizer, "clean_up_tokenization_spaces", False))
        listener = Listener(progress, queries, tokenizer, partial(certain_text, joins_words=joins_words))
        return self.generator.generate(features, queries, self.options.max_new_tokens, listener)

    def decode(self, outputs: list[list[GeneratedAnswer]], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """The answers as text, most probable first."""
        tokenizer = self.generator.processor.tokenizer
        return [to_answers(answers, query, tokenizer) for answers, query in zip(outputs, queries, strict=True)]
