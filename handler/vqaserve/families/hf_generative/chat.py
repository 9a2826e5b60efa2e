"""Image-text-to-text models: the picture's tokens stand in the prompt, and the model goes on writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from PIL.Image import Image
from transformers import AutoModelForImageTextToText

from vqaserve.errors import RecipeError
from vqaserve.families.generation import Manner, Written, write
from vqaserve.families.hf_generative.writer import Writer
from vqaserve.families.prompts import control_tokens, without
from vqaserve.families.shapes import is_ordinary, take

# How architectures without a chat template were taught to be asked.
_PROMPTS = {"paligemma": "answer en {question}"}


class ChatWriter(Writer):
    """LLaVA, Qwen2-VL, SmolVLM, PaliGemma and their kind, through processor and chat template.

    A picture and its question are prepared together (the prompt's length depends on the picture), so what is
    kept of a picture is the picture.
    """

    auto = AutoModelForImageTextToText

    def __init__(self, model: Any, processor: Any, prompt: str, device: torch.device) -> None:
        super().__init__(model, processor, prompt, device)
        tokenizer = processor.tokenizer
        tokenizer.padding_side = "left"  # an answer goes on where its prompt ends
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._image = str(getattr(processor, "image_token", ""))
        self._control = control_tokens(tokenizer, processor.all_special_multimodal_tokens)

    @classmethod
    def load(cls, model: Any, processor: Any, prompt: str | None, device: torch.device) -> Self:
        """A writer whose prompts hold the question and one picture.

        Raises:
            RecipeError: They do not, there is nothing to make them of, or the model does not go on writing them.
        """
        kind = model.config.model_type
        if model.config.is_encoder_decoder:
            raise RecipeError(f"{kind} models do not go on writing their prompt, which this family needs")
        prompt = prompt or ("{question}" if _has_template(processor) else _PROMPTS.get(kind))
        if prompt is None:
            raise RecipeError(f"the processor has no chat template; set handler.options.prompt as {kind} was trained")
        writer = cls(model, processor, prompt, device)
        made = writer._prompted("is it?")
        if "is it?" not in made or made.count(writer._image) != 1:
            raise RecipeError(
                f"the prompt must hold the question and one {writer._image!r}, and is {made!r:.200}; "
                "mend chat_template.jinja or handler.options.prompt"
            )
        return writer

    def encode(self, pictures: Sequence[Image]) -> Sequence[Image]:
        """The pictures, of a shape that the processor can take."""
        return [picture if is_ordinary(picture) else take(picture, self._accepted) for picture in pictures]

    def write(self, features: Sequence[Image], questions: Sequence[str], manner: Manner) -> list[list[Written]]:
        """The answers to each question, most probable first."""
        prompts = [self._prompted(question) for question in questions]
        start = self.processor.tokenizer.bos_token
        # A template that begins with the start token must not be given another.
        begun = {"add_special_tokens": False} if start and prompts[0].startswith(start) else {}
        inputs = self.processor(
            images=[[picture] for picture in features], text=prompts, padding=True, return_tensors="pt", **begun
        )
        inputs.pop("labels", None)  # PaliGemma's processor adds them for training
        return write(self.model, {name: self.place(tensor) for name, tensor in inputs.items()}, manner)

    def _prompted(self, question: str) -> str:
        text = self.prompt.replace("{question}", without(self._control, question))
        if not _has_template(self.processor):
            return text if self._image in self.prompt else f"{self._image}{text}"
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        prompt: str = self.processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
        return prompt

    def _accepted(self, picture: Image) -> Image:
        self.processor.image_processor([[picture]], return_tensors="pt")
        return picture


def _has_template(processor: Any) -> bool:
    return bool(processor.chat_template or processor.tokenizer.chat_template)
