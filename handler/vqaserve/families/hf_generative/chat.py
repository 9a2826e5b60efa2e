"""Image-text-to-text models: the picture's tokens stand in the prompt, and the model goes on writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from transformers import AutoModelForImageTextToText

from vqaserve.errors import RecipeError
from vqaserve.families.generation import Manner, Written, write
from vqaserve.families.hf_generative.writer import Writer
from vqaserve.families.prompts import control_tokens, without
from vqaserve.families.shapes import is_ordinary, take

# How models without a chat template were taught to be asked.
_PROMPTS = {
    "blip-2": "Question: {question} Answer:",
    "paligemma": "answer en {question}",
}


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
        self._has_template = bool(processor.chat_template or tokenizer.chat_template)
        self._control = control_tokens(tokenizer, processor.all_special_multimodal_tokens)
        self._check_prompt()

    @staticmethod
    def default_prompt(config: Any) -> str:
        """The bare question, or how the architecture was taught to be asked."""
        return _PROMPTS.get(config.model_type, "{question}")

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
        if not self._has_template:
            return f"{getattr(self.processor, 'image_token', '')}{text}"
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        prompt: str = self.processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
        return prompt

    def _check_prompt(self) -> None:
        prompt, image = self._prompted("is it?"), getattr(self.processor, "image_token", "")
        if "is it?" not in prompt or prompt.count(image) != 1:
            raise RecipeError(
                f"the chat template must place the question and one {image!r}, and makes {prompt!r:.200}; "
                "set handler.options.prompt or mend chat_template.jinja"
            )

    def _accepted(self, picture: Image) -> Image:
        self.processor.image_processor([[picture]], return_tensors="pt")
        return picture
