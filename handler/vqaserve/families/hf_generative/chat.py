"""Image-text-to-text models: the prompt contains the pictures' tokens, and the model continues it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import torch
from PIL.Image import Image
from transformers import AutoModelForImageTextToText
from transformers.modeling_outputs import BaseModelOutputWithPooling

from vqaserve.errors import InvalidQuestion, RecipeError
from vqaserve.families.answer_logits import AnswerLogits, causal_logits
from vqaserve.families.aspect_ratio import is_ordinary, preprocess_any_shape
from vqaserve.families.following import Listener
from vqaserve.families.generated import GeneratedAnswer
from vqaserve.families.generation import GenerationSettings, end_tokens, generate
from vqaserve.families.hf_generative.chat_prompt import ChatPrompt, Prompt
from vqaserve.families.hf_generative.generator import AnswerGenerator
from vqaserve.families.hf_generative.picture_tokens import PictureTokens, encode_picture
from vqaserve.families.hf_generative.prefix_cache import PrefixCache
from vqaserve.families.hf_generative.processors import complete_processor
from vqaserve.families.hf_generative.trial import can_reuse
from vqaserve.families.hf_generative.writer import Draft, Writer
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query

log = logging.getLogger(__name__)

# The training prompts of architectures without a chat template.
_PROMPTS = {"paligemma": "answer en {question}"}

Pictures = tuple[Image | PictureTokens, ...]
"""The features of the pictures of one prompt."""


class ChatGenerator(AnswerGenerator):
    """LLaVA, Qwen2-VL, SmolVLM, PaliGemma and similar models, through their processor and chat template.

    A trial at the start says whether what was computed for a picture and for the beginning of a conversation can be
    used again. If so, the features are the picture's tokens and a ``Writer`` writes; if not, as with PaliGemma, whose
    attention goes in both directions, the features are the picture itself and ``generate`` computes each prompt whole.
    """

    auto = AutoModelForImageTextToText

    def __init__(
        self, model: Any, processor: Any, prompt: str, device: torch.device, settings: HandlerSettings
    ) -> None:
        super().__init__(model, processor, prompt, device)
        tokenizer = processor.tokenizer
        tokenizer.padding_side = "left"  # the model continues each row where its prompt ends
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.prompts = ChatPrompt(processor, prompt)
        self.reads_conversations = self.prompts.has_template
        self.prefixes = PrefixCache(settings.cache.prefixes_mb * 2**20)
        self._most = min(settings.limits.max_prompt_tokens, _most_positions(model) - settings.limits.max_new_tokens)
        self._writes = False

    @classmethod
    def load(
        cls, model: Any, processor: Any, prompt: str | None, device: torch.device, settings: HandlerSettings
    ) -> Self:
        """Build a generator whose prompts contain the question and one picture.

        Raises:
            RecipeError: The prompt contains something else, there is neither a prompt nor a chat template, or the model
                is an encoder-decoder.
        """
        kind = model.config.model_type
        if model.config.is_encoder_decoder:
            raise RecipeError(
                f"{kind} is an encoder-decoder; family hf_generative needs a model that continues its prompt"
            )
        prompt = prompt or ("{question}" if processor.chat_template else _PROMPTS.get(kind))
        if prompt is None:
            raise RecipeError(
                f"the processor has no chat template; set handler.options.prompt to the training prompt of {kind}"
            )
        complete_processor(processor, model.config)
        generator = cls(model, processor, prompt, device, settings)
        generator._check_prompt()
        generator._writes = can_reuse(generator.model, processor, generator.prompts, device)
        log.info("%s: pictures and prefixes are %s", kind, "kept" if generator._writes else "computed for each answer")
        return generator

    def encode(self, pictures: Sequence[Image]) -> Sequence[Pictures]:
        """The tokens of each picture; or the picture, resized where the processor cannot take its aspect ratio."""
        return [
            (self._encode(picture) if is_ordinary(picture) else preprocess_any_shape(picture, self._encode),)
            for picture in pictures
        ]

    def join(self, features: Sequence[Pictures]) -> Pictures:
        """The pictures of a conversation, in their order."""
        return tuple(picture for one in features for picture in one)

    def examine(self, features: Pictures, query: Query) -> None:
        """Refuse a prompt that is too long.

        Raises:
            InvalidQuestion: It has more tokens than the recipe or the model allows, or the chat template refuses it.
        """
        tokens = [picture for picture in features if isinstance(picture, PictureTokens)]
        if len(tokens) < len(features):
            self.prompts.text(query)
            return
        length = len(self.prompts.tokens(query, tokens, self.model))
        if length > self._most:
            shown = sum(len(picture.vectors) for picture in tokens)
            raise InvalidQuestion(
                f"pictures and texts have {length:,} tokens, of which {shown:,} are the pictures'; at most "
                f"{self._most:,} are allowed: send fewer or smaller pictures or fewer turns"
            )

    def generate(
        self, features: Sequence[Pictures], queries: Sequence[Query], max_new_tokens: int, listener: Listener
    ) -> list[list[GeneratedAnswer]]:
        """Generate the answers to each query, most probable first."""
        settings = [GenerationSettings.of(query, max_new_tokens) for query in queries]
        written = [row for row, asked in enumerate(settings) if self._writes and asked.num_beams == 1]
        others = [row for row in range(len(queries)) if row not in set(written)]
        generated: dict[int, list[GeneratedAnswer]] = {}
        if written:
            writer = Writer(self.model, self.processor.tokenizer, self.prefixes, self.device)
            prompts = [self.prompts.tokens(queries[row], _tokens(features[row]), self.model) for row in written]
            heard = listener.among(written)
            answers = writer.write(
                prompts,
                [settings[row] for row in written],
                partial(_hear, heard) if heard.is_needed else None,
            )
            generated |= zip(written, answers, strict=True)
        if others:
            answers = super().generate(
                [features[row] for row in others],
                [queries[row] for row in others],
                max_new_tokens,
                listener.among(others),
            )
            generated |= zip(others, answers, strict=True)
        return [generated[row] for row in range(len(queries))]

    def generate_alike(
        self, features: Sequence[Pictures], queries: Sequence[Query], settings: GenerationSettings, listener: Listener
    ) -> list[list[GeneratedAnswer]]:
        """Generate the answers to each query with the model's own ``generate``."""
        if self._writes:
            ready = [
                self.prompts.tokens(query, _tokens(one), self.model)
                for query, one in zip(queries, features, strict=True)
            ]
            return generate(self.model, self._precomputed(ready), settings, [len(prompt) for prompt in ready], listener)
        inputs = self.processor(
            images=[list(pictures) for pictures in features],
            text=[self.prompts.text(query) for query in queries],
            padding=True,
            return_tensors="pt",
            **self.prompts.special,
        )
        inputs.pop("labels", None)  # PaliGemma's processor adds them for training
        lengths = inputs["attention_mask"].sum(1).tolist()
        moved = {name: self.to_device(tensor) for name, tensor in inputs.items()}
        return generate(self.model, moved, settings, lengths, listener)

    @property
    def decoder(self) -> Any:
        """The language model."""
        return self.model.get_decoder()

    def answer_logits(
        self, features: Sequence[Pictures], queries: Sequence[Query], answers: Sequence[str]
    ) -> list[AnswerLogits]:
        """The language model's logits for given answers, worded as the chat template words an assistant's turn.

        Raises:
            RecipeError: What the vision tower computes of a picture cannot be used again, as with PaliGemma, whose
                prompts would also see the answer.
        """
        if not self._writes:
            raise RecipeError(
                f"{self.model.config.model_type} cannot be trained here: its pictures and prompts are not computed "
                "apart from the answer; the log of its load says why"
            )
        ends = self._ends()
        given = [self.prompts.answer_tokens(query, one, ends) for query, one in zip(queries, answers, strict=True)]
        prompts = [
            self.prompts.tokens(query, _tokens(pictures), self.model, answer)
            for query, pictures, answer in zip(queries, features, given, strict=True)
        ]
        inputs = self._precomputed(prompts, "right")
        return causal_logits(self.model, inputs, [len(prompt) for prompt in prompts], given)

    def _ends(self) -> list[str]:
        """The texts of the end tokens, the tokenizer's own first."""
        tokenizer = self.processor.tokenizer
        ids = sorted(
            end_tokens(self.model.generation_config.eos_token_id), key=lambda one: one != tokenizer.eos_token_id
        )
        return [str(tokenizer.convert_ids_to_tokens(one)) for one in ids] or [str(tokenizer.eos_token)]

    def warnings(self, query: Query) -> tuple[str, ...]:
        """A warning if a text contains control tokens."""
        return self.prompts.warnings(query)

    @property
    def caches(self) -> dict[str, dict[str, int]]:
        """The counters of the cache of prefixes, if the model may use it."""
        return {"prefixes": self.prefixes.counters} if self._writes else {}

    def model_changed(self) -> None:
        """Forget the states of prompts, which were computed in another precision."""
        self.prefixes.clear()

    def _encode(self, picture: Image) -> Image | PictureTokens:
        if self._writes:
            return encode_picture(self.model, self.processor, picture, self.device)
        if not is_ordinary(picture):
            self.processor.image_processor([[picture]], return_tensors="pt")  # raises what it cannot take
        return picture

    def _precomputed(self, prompts: Sequence[Prompt], padding_side: str = "left") -> dict[str, Any]:
        """The inputs of the model with the output of the vision tower, for a search by beams or a training."""
        pictures = [picture for prompt in prompts for picture in prompt.pictures]
        ids = self.processor.tokenizer.pad(
            {"input_ids": [prompt.ids.tolist() for prompt in prompts]}, padding_side=padding_side, return_tensors="pt"
        )
        layout = {name: torch.cat([picture.layout[name] for picture in pictures]) for name in pictures[0].layout}
        if layout:
            layout["mm_token_type_ids"] = (ids["input_ids"] == self.model.config.image_token_id).long()
        # One tensor for each picture, which the class's annotation does not foresee.
        vectors: Any = tuple(self.to_device(picture.vectors) for picture in pictures)
        inputs = {name: self.to_device(tensor) for name, tensor in {**ids, **layout}.items()}
        return {**inputs, "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=vectors)}}

    def _check_prompt(self) -> None:
        """Refuse a template or a prompt that does not contain the question and the picture.

        Raises:
            RecipeError: The message shows the prompt.
        """
        image = self.prompts.image
        try:
            made = self.prompts.text(Query(b"", "is it?"))
        except InvalidQuestion:
            made = ""
        if "is it?" not in made or made.count(image) != 1:
            raise RecipeError(
                f"the prompt must contain the question and one {image!r}, but is {made!r:.200}; "
                "fix chat_template.jinja or handler.options.prompt"
            )


def _hear(listener: Listener, drafts: Sequence[Draft]) -> frozenset[int]:
    """Report a step of the writer; several answers to a prompt are not reported before all are written."""
    single = [draft for draft in drafts if draft.settings.answers == 1]
    return listener.hear({draft.number[0]: draft.answer if draft.is_finished else draft.tokens for draft in single})


def _tokens(pictures: Pictures) -> list[PictureTokens]:
    return [picture for picture in pictures if isinstance(picture, PictureTokens)]


def _most_positions(model: Any) -> int:
    """Positions of the language model; more than any limit if it has none."""
    positions: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return positions or 2**31
