"""BLIP's question answering: the picture is encoded once, the question reads it, a decoder writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor
from transformers import AutoModelForVisualQuestionAnswering

from vqaserve.families.generation import Manner, Written, write
from vqaserve.families.hf_generative.writer import Writer
from vqaserve.families.shapes import take


class BlipWriter(Writer):
    """``BlipForQuestionAnswering``, whose own ``generate`` is taken apart here for two reasons.

    It encodes the picture again for every question. And its decoder reads the padding of short questions as if it
    were text (a mask given to it is dropped on the way to its cross-attention, transformers 5.23), so that an answer
    would depend on the longest question in the batch: here questions of one length are written together.
    """

    auto = AutoModelForVisualQuestionAnswering

    @classmethod
    def load(cls, model: Any, processor: Any, prompt: str | None, device: torch.device) -> Self:
        """A writer; BLIP was trained on the bare question."""
        return cls(model, processor, prompt or "{question}", device)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """Features [patches + 1, width] of each picture."""
        if not pictures:
            return []
        pixels = torch.stack([take(picture, self._pixels) for picture in pictures])
        features = self.model.vision_model(pixel_values=self.place(pixels)).last_hidden_state
        # Copies: a row of a batch would keep the whole batch alive in a cache.
        return [feature.clone() for feature in features]

    def write(self, features: Sequence[Tensor], questions: Sequence[str], manner: Manner) -> list[list[Written]]:
        """The answers to each question, most probable first."""
        prompts = [self.prompt.replace("{question}", question) for question in questions]
        tokens = self.processor.tokenizer(prompts, truncation=True, max_length=self._longest)["input_ids"]
        written: dict[int, list[Written]] = {}
        for rows in _of_one_length(tokens):
            image = torch.stack([features[row] for row in rows])
            question = torch.tensor([tokens[row] for row in rows], device=self.device)
            written.update(zip(rows, self._write(image, question, manner), strict=True))
        return [written[row] for row in range(len(questions))]

    @torch.inference_mode()
    def _write(self, image: Tensor, question: Tensor, manner: Manner) -> list[list[Written]]:
        states = self.model.text_encoder(input_ids=question, encoder_hidden_states=image).last_hidden_state
        starts = torch.full((len(question), 1), self.model.decoder_start_token_id, device=self.device)
        # The decoder's own settings name other tokens than the model's.
        text = self.model.config.text_config
        ends = {"eos_token_id": text.sep_token_id, "pad_token_id": text.pad_token_id}
        return write(self.model.text_decoder, {"input_ids": starts, "encoder_hidden_states": states}, manner, **ends)

    @property
    def _longest(self) -> int:
        longest: int = self.model.config.text_config.max_position_embeddings
        return longest

    def _pixels(self, picture: Image) -> Tensor:
        pixels: Tensor = self.processor.image_processor(picture, return_tensors="pt")["pixel_values"][0]
        return pixels


def _of_one_length(tokens: Sequence[Sequence[int]]) -> list[list[int]]:
    """Rows grouped by their number of tokens."""
    groups: dict[int, list[int]] = {}
    for row, sequence in enumerate(tokens):
        groups.setdefault(len(sequence), []).append(row)
    return list(groups.values())
