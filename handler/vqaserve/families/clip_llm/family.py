"""The ``clip_llm`` family: CLIP scores the question against the picture, a language model generates the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import normalize

from vqaserve.errors import RecipeError
from vqaserve.families import adapter
from vqaserve.families.adapter import merge_adapter, read_adapter
from vqaserve.families.answer_logits import AnswerLogits, causal_logits, continuation_tokens
from vqaserve.families.clip_llm.files import read_clip, read_language_model, read_tokenizer
from vqaserve.families.clip_llm.options import ClipLlmOptions
from vqaserve.families.device import prepare_device
from vqaserve.families.following import Listener
from vqaserve.families.generated import GeneratedAnswer, to_answers
from vqaserve.families.generation import GenerationSettings, generate, group_by_settings
from vqaserve.families.generative import GenerativeFamily
from vqaserve.families.hf_folder import read_processor
from vqaserve.families.options import read_options
from vqaserve.families.picture_inputs import PictureInputs
from vqaserve.families.precision import load_at_precision
from vqaserve.families.prompts import control_tokens, remove_control_tokens
from vqaserve.families.question_warnings import count_tokens, warn_if_control_tokens, warn_if_cut
from vqaserve.limits import Limits
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query
from vqaserve.writing import Progress


@dataclass(frozen=True, slots=True)
class ScoredAnswers:
    """The generated answers to one query, and the similarity in their prompt."""

    answers: list[GeneratedAnswer]
    clip_similarity: float


class ClipLlm(GenerativeFamily[Tensor, list[ScoredAnswers]]):
    """CLIP and a causal language model with a LoRA adapter.

    The weights folder contains ``clip/`` (model and processor), ``llm/`` (model and tokenizer) and ``adapter/`` (as
    peft saves it). The language model never sees the picture, only its CLIP similarity to the question, so the feature
    of a picture is its CLIP embedding. ``precision`` applies to the language model; CLIP stays in fp32, because four
    decimal places of the similarity are part of the prompt. A 4-bit base is not probed.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"visual_question_answering"})

    def __init__(
        self,
        clip: Any,
        processor: Any,
        model: Any,
        tokenizer: Any,
        options: ClipLlmOptions,
        limits: Limits,
        device: torch.device,
    ) -> None:
        self.clip = clip.to(device)
        self.processor = processor
        self.inputs = PictureInputs(processor.image_processor)
        self.model = model
        self.tokenizer = tokenizer
        self.options = options
        self.limits = limits
        self.device = device
        self._control = control_tokens(tokenizer)

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load ``clip/``, ``llm/`` and ``adapter/``.

        Raises:
            RecipeError: A file is missing or does not match the others, or the device does not support the options.
        """
        device = prepare_device(settings)
        options = read_options(ClipLlmOptions, settings)
        if settings.precision == "int8" and not options.merged:
            raise RecipeError("precision int8 needs a merged adapter; set merge: true in handler.options")
        if options.four_bit:
            family = cls._read(folder / settings.weights, options, settings.limits, device)
            family.precision = "nf4"
            return family
        return load_at_precision(
            lambda: cls._read(folder / settings.weights, options, settings.limits, device), settings
        )

    @classmethod
    def load_base(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load ``clip/`` and ``llm/`` in fp32, without the adapter.

        Raises:
            RecipeError: As ``load``.
        """
        device, options = prepare_device(settings), read_options(ClipLlmOptions, settings)
        model = read_language_model(folder / settings.weights / "llm", four_bit=False, device=device)
        return cls._around(model, folder / settings.weights, options, settings.limits, device)

    @classmethod
    def _read(cls, weights: Path, options: ClipLlmOptions, limits: Limits, device: torch.device) -> Self:
        model = read_language_model(weights / "llm", four_bit=options.four_bit, device=device)
        add = merge_adapter if options.merged else read_adapter
        return cls._around(add(model, weights / adapter.FOLDER), weights, options, limits, device)

    @classmethod
    def _around(cls, model: Any, weights: Path, options: ClipLlmOptions, limits: Limits, device: torch.device) -> Self:
        clip, processor = read_clip(weights / "clip"), read_processor(weights / "clip")
        return cls(clip, processor, model, read_tokenizer(weights / "llm"), options, limits, device)

    @property
    def decoder(self) -> Any:
        """The language model without its head."""
        return self.model.get_decoder()

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """The normalised CLIP embedding of each picture [width]."""
        if not pictures:
            return []
        prepared = [self.inputs.prepare(picture) for picture in pictures]
        pixels = self.inputs.join(prepared, self.device, self.clip.dtype)["pixel_values"]
        embeddings = self.clip.get_image_features(pixel_values=pixels).pooler_output
        return [embedding.clone() for embedding in normalize(embeddings)]

    def warnings(self, query: Query) -> tuple[str, ...]:
        """Warnings if CLIP does not read the whole question, or if it contains control tokens."""
        longest = self.clip.config.text_config.max_position_embeddings
        count = partial(count_tokens, self.processor.tokenizer)
        return (
            *warn_if_cut(query.question, count, longest, "for clip_similarity"),
            *warn_if_control_tokens(self._control, query.question),
        )

    def write(self, features: Sequence[Tensor], queries: Sequence[Query], progress: Progress) -> list[ScoredAnswers]:
        """The similarity and the generated answers of each query."""
        # The model may repeat the marker, and then the answer begins anew: nothing is certain before the end.
        listener = Listener(progress, queries, self.tokenizer, lambda text, stops: "", self._after_marker)
        similarities = self._similarities(features, [query.question for query in queries])
        replies: dict[int, ScoredAnswers] = {}
        for settings, rows in group_by_settings(queries, self.options.max_new_tokens):
            prompts = [self._prompt(queries[row].question, similarities[row]) for row in rows]
            for row, answers in zip(rows, self._generate(prompts, settings, listener.among(rows)), strict=True):
                replies[row] = ScoredAnswers(answers, similarities[row])
        return [replies[row] for row in range(len(queries))]

    def decode(self, outputs: list[ScoredAnswers], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """The text after the marker, most probable first, with the similarity as a detail."""
        ranked = []
        for reply, query in zip(outputs, queries, strict=True):
            answers = to_answers(reply.answers, query, self.tokenizer, self._after_marker)
            details = {"clip_similarity": reply.clip_similarity}
            ranked.append(tuple(replace(answer, details=details) for answer in answers))
        return ranked

    def answer_logits(
        self, features: Sequence[Tensor], queries: Sequence[Query], answers: Sequence[str]
    ) -> list[AnswerLogits]:
        """The language model's logits for given answers, after a blank and with its end token."""
        similarities = self._similarities(features, [query.question for query in queries])
        prompts = [self._prompt(query.question, near) for query, near in zip(queries, similarities, strict=True)]
        given = [
            continuation_tokens(self.tokenizer, prompt, f"{' ' * (not prompt[-1].isspace())}{answer}{self._end}")
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        known = self.tokenizer(prompts)["input_ids"]
        rows = [[*before, *after] for before, after in zip(known, given, strict=True)]
        inputs = self.tokenizer.pad({"input_ids": rows}, padding_side="right", return_tensors="pt").to(self.device)
        return causal_logits(self.model, inputs, [len(row) for row in rows], given)

    @property
    def _end(self) -> str:
        return str(self.tokenizer.eos_token)

    @torch.inference_mode()
    def _similarities(self, features: Sequence[Tensor], questions: Sequence[str]) -> list[float]:
        longest = self.clip.config.text_config.max_position_embeddings
        tokens = self.processor.tokenizer(
            list(questions), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.device)
        texts = normalize(self.clip.get_text_features(**tokens).pooler_output)
        return [round(similarity, 4) for similarity in (texts * torch.stack(list(features))).sum(1).tolist()]

    def _prompt(self, question: str, similarity: float) -> str:
        values = {
            "{clip_similarity}": f"{similarity:.4f}",
            "{question}": remove_control_tokens(self._control, question),
        }
        prompt = self.options.prompt
        for place, value in values.items():
            prompt = prompt.replace(place, value)
        return prompt

    def _generate(
        self, prompts: Sequence[str], settings: GenerationSettings, listener: Listener
    ) -> list[list[GeneratedAnswer]]:
        inputs = self.tokenizer(list(prompts), padding=True, return_tensors="pt", return_token_type_ids=False).to(
            self.device
        )
        lengths = inputs["attention_mask"].sum(1).tolist()
        return generate(self.model, inputs, settings, lengths, listener, pad_token_id=self.tokenizer.pad_token_id)

    def _after_marker(self, text: str) -> str:
        return text.rsplit(self.options.marker, 1)[-1].strip()
