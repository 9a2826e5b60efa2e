"""Image-text-to-text models: the prompt contains the picture's tokens, and the model continues it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from PIL.Image import Image
from transformers import AutoModelForImageTextToText

from vqaserve.errors import RecipeError
from vqaserve.families.aspect_ratio import is_ordinary, preprocess_any_shape
from vqaserve.families.generation import GeneratedAnswer, GenerationSettings, generate
from vqaserve.families.hf_generative.generator import AnswerGenerator
from vqaserve.families.hf_generative.processors import complete_processor
from vqaserve.families.prompts import control_tokens, remove_control_tokens
from vqaserve.families.question_warnings import warn_if_control_tokens

# The training prompts of architectures without a chat template.
_PROMPTS = {"paligemma": "answer en {question}"}


class ChatGenerator(AnswerGenerator):
    """LLaVA, Qwen2-VL, SmolVLM, PaliGemma and similar models, through their processor and chat template.

    The processor prepares picture and question together, because the prompt's length depends on the picture. The only
    feature that can be cached is therefore the picture itself.
    """

    auto = AutoModelForImageTextToText

    def __init__(self, model: Any, processor: Any, prompt: str, device: torch.device) -> None:
        super().__init__(model, processor, prompt, device)
        tokenizer = processor.tokenizer
        tokenizer.padding_side = "left"  # the model continues each row where its prompt ends
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._image = str(getattr(processor, "image_token", ""))
        self._control = control_tokens(tokenizer, processor.all_special_multimodal_tokens)

    @classmethod
    def load(cls, model: Any, processor: Any, prompt: str | None, device: torch.device) -> Self:
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
        prompt = prompt or ("{question}" if _has_template(processor) else _PROMPTS.get(kind))
        if prompt is None:
            raise RecipeError(
                f"the processor has no chat template; set handler.options.prompt to the training prompt of {kind}"
            )
        complete_processor(processor, model.config)
        generator = cls(model, processor, prompt, device)
        made = generator._prompted("is it?")
        if "is it?" not in made or made.count(generator._image) != 1:
            raise RecipeError(
                f"the prompt must contain the question and one {generator._image!r}, but is {made!r:.200}; "
                "fix chat_template.jinja or handler.options.prompt"
            )
        return generator

    def encode(self, pictures: Sequence[Image]) -> Sequence[Image]:
        """The pictures, resized where the processor cannot take their aspect ratio."""
        return [
            picture if is_ordinary(picture) else preprocess_any_shape(picture, self._accepted) for picture in pictures
        ]

    def generate(
        self, features: Sequence[Image], questions: Sequence[str], settings: GenerationSettings
    ) -> list[list[GeneratedAnswer]]:
        """Generate the answers to each question, most probable first."""
        prompts = [self._prompted(question) for question in questions]
        start = self.processor.tokenizer.bos_token
        # A template that begins with the start token must not get a second one.
        special = {"add_special_tokens": False} if start and prompts[0].startswith(start) else {}
        inputs = self.processor(
            images=[[picture] for picture in features], text=prompts, padding=True, return_tensors="pt", **special
        )
        inputs.pop("labels", None)  # PaliGemma's processor adds them for training
        return generate(self.model, {name: self.to_device(tensor) for name, tensor in inputs.items()}, settings)

    def warnings(self, question: str) -> tuple[str, ...]:
        """A warning if the question contains control tokens."""
        return warn_if_control_tokens(self._control, question)

    def _prompted(self, question: str) -> str:
        text = self.prompt.replace("{question}", remove_control_tokens(self._control, question))
        if not _has_template(self.processor):
            return text if self._image in self.prompt else f"{self._image}{text}"
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        prompt: str = self.processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
        return prompt

    def _accepted(self, picture: Image) -> Image:
        self.processor.image_processor([[picture]], return_tensors="pt")
        return picture


def _has_template(processor: Any) -> bool:
    return bool(processor.chat_template)
