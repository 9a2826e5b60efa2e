"""The ``clip_llm`` family: CLIP says how well question and picture agree, a language model writes the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import normalize

from vqaserve.errors import RecipeError
from vqaserve.families.base import Family
from vqaserve.families.clip_llm.files import read_clip, read_language_model, read_tokenizer
from vqaserve.families.clip_llm.options import ClipLlmOptions
from vqaserve.families.device import prepare_device
from vqaserve.families.generation import Manner, Written, check_manner, in_manners, merge, parameter_ranges, write
from vqaserve.families.options import read_options
from vqaserve.families.precision import at_precision
from vqaserve.families.pretrained import read_processor
from vqaserve.families.prompts import control_tokens, without
from vqaserve.families.shapes import take
from vqaserve.settings import HandlerSettings, Limits
from vqaserve.types import Answer, Query


@dataclass(frozen=True, slots=True)
class Reply:
    """What was written to one query."""

    answers: list[Written]
    clip_similarity: float


class ClipLlm(Family[Tensor, list[Reply]]):
    """CLIP and a causal language model with a LoRA adapter.

    The weights folder holds ``clip/`` (model and processor), ``llm/`` (model and tokenizer) and ``adapter/`` (peft's
    layout), each as its library saves it. The language model never sees the picture, only how similar CLIP
    finds it to the question; so its embedding is all that is kept of a picture. ``precision`` is the language model's;
    CLIP stays in fp32, since four places of the similarity are part of the prompt. A 4-bit base is not probed.
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
            RecipeError: A file is missing or does not fit the others, or the device cannot do what the options ask.
        """
        device = prepare_device(settings)
        options = read_options(ClipLlmOptions, settings)
        if settings.precision == "int8" and not options.merged:
            raise RecipeError("precision int8 cannot keep an adapter apart; set merge: true in handler.options")
        if options.four_bit:
            family = cls._read(folder / settings.weights, options, settings.limits, device)
            family.precision = "nf4"
            return family
        return at_precision(lambda: cls._read(folder / settings.weights, options, settings.limits, device), settings)

    @classmethod
    def _read(cls, weights: Path, options: ClipLlmOptions, limits: Limits, device: torch.device) -> Self:
        model = read_language_model(
            weights / "llm", weights / "adapter", merge=options.merged, four_bit=options.four_bit, device=device
        )
        clip, processor = read_clip(weights / "clip"), read_processor(weights / "clip")
        return cls(clip, processor, model, read_tokenizer(weights / "llm"), options, limits, device)

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

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """CLIP's embedding of each picture [width], of length one."""
        if not pictures:
            return []
        pixels = torch.stack([take(picture, self._pixels) for picture in pictures]).to(self.device)
        embeddings = self.clip.get_image_features(pixel_values=pixels).pooler_output
        return [embedding.clone() for embedding in normalize(embeddings)]

    def forward(self, features: Sequence[Tensor], queries: Sequence[Query]) -> list[Reply]:
        """Similarity and written tokens for each query."""
        similarities = self._similarities(features, [query.question for query in queries])
        replies: dict[int, Reply] = {}
        for manner, rows in in_manners(queries, self.options.max_new_tokens):
            prompts = [self._prompt(queries[row].question, similarities[row]) for row in rows]
            for row, answers in zip(rows, self._write(prompts, manner), strict=True):
                replies[row] = Reply(answers, similarities[row])
        return [replies[row] for row in range(len(queries))]

    def decode(self, outputs: list[Reply], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """What follows the marker, most probable first, each with the similarity."""
        del queries  # ``forward`` has written as many answers as each asks
        ranked = []
        for reply in outputs:
            answers = merge([(self._answer(tokens), score) for tokens, score in reply.answers])
            details = {"clip_similarity": reply.clip_similarity}
            ranked.append(tuple(replace(answer, details=details) for answer in answers))
        return ranked

    def _pixels(self, picture: Image) -> Tensor:
        pixels: Tensor = self.processor.image_processor(picture, return_tensors="pt")["pixel_values"][0]
        return pixels

    @torch.inference_mode()
    def _similarities(self, features: Sequence[Tensor], questions: Sequence[str]) -> list[float]:
        longest = self.clip.config.text_config.max_position_embeddings
        tokens = self.processor.tokenizer(
            list(questions), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.device)
        texts = normalize(self.clip.get_text_features(**tokens).pooler_output)
        return [round(similarity, 4) for similarity in (texts * torch.stack(list(features))).sum(1).tolist()]

    def _prompt(self, question: str, similarity: float) -> str:
        values = {"{clip_similarity}": f"{similarity:.4f}", "{question}": without(self._control, question)}
        prompt = self.options.prompt
        for place, value in values.items():
            prompt = prompt.replace(place, value)
        return prompt

    def _write(self, prompts: Sequence[str], manner: Manner) -> list[list[Written]]:
        inputs = self.tokenizer(list(prompts), padding=True, return_tensors="pt", return_token_type_ids=False).to(
            self.device
        )
        return write(self.model, inputs, manner, pad_token_id=self.tokenizer.pad_token_id)

    def _answer(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.rsplit(self.options.marker, 1)[-1].strip()
