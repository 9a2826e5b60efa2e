"""BLIP for visual question answering: picture encoder, question encoder and answer decoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForVisualQuestionAnswering

from vqaserve.families.answer_logits import AnswerLogits
from vqaserve.families.following import Listener
from vqaserve.families.generated import GeneratedAnswer
from vqaserve.families.generation import GenerationSettings, generate
from vqaserve.families.hf_generative.generator import AnswerGenerator
from vqaserve.families.picture_inputs import PictureInputs
from vqaserve.families.question_warnings import count_tokens, warn_if_cut
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query


class BlipGenerator(AnswerGenerator):
    """``BlipForQuestionAnswering``, without its own ``generate``.

    That method encodes the picture again for every question. Its decoder also attends to the padding of short questions
    (transformers 5.23 drops the mask before the cross-attention), so an answer would depend on the longest question in
    the batch. Here the picture is encoded once, and only questions of equal length share a batch.
    """

    auto = AutoModelForVisualQuestionAnswering

    def __init__(self, model: Any, processor: Any, prompt: str, device: torch.device) -> None:
        super().__init__(model, processor, prompt, device)
        self._inputs = PictureInputs(processor.image_processor)

    @classmethod
    def load(
        cls, model: Any, processor: Any, prompt: str | None, device: torch.device, settings: HandlerSettings
    ) -> Self:
        """Build a generator; BLIP was trained on the question without a prompt."""
        del settings
        return cls(model, processor, prompt or "{question}", device)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image]) -> list[Tensor]:
        """Features [patches + 1, width] of each picture."""
        if not pictures:
            return []
        prepared = [self._inputs.prepare(picture) for picture in pictures]
        pixels = self._inputs.join(prepared, self.device, self.model.dtype)["pixel_values"]
        features = self.model.vision_model(pixel_values=pixels).last_hidden_state
        # A view of one row would keep the whole batch in memory as long as a cache holds it.
        return [feature.clone() for feature in features]

    def generate_alike(
        self, features: Sequence[Tensor], queries: Sequence[Query], settings: GenerationSettings, listener: Listener
    ) -> list[list[GeneratedAnswer]]:
        """Generate the answers to each question, most probable first."""
        tokens = self._tokens(queries)
        generated: dict[int, list[GeneratedAnswer]] = {}
        for rows in _group_by_length(tokens):
            image = torch.stack([features[row] for row in rows])
            question = torch.tensor([tokens[row] for row in rows], device=self.device)
            generated.update(zip(rows, self._generate(image, question, settings, listener.among(rows)), strict=True))
        return [generated[row] for row in range(len(queries))]

    @property
    def decoder(self) -> Any:
        """The decoder of answers, which reads the question and the picture by its cross-attention."""
        return self.model.text_decoder

    def answer_logits(
        self, features: Sequence[Tensor], queries: Sequence[Query], answers: Sequence[str]
    ) -> list[AnswerLogits]:
        """The decoder's logits for given answers; it begins with a token of its own and ends with ``[SEP]``."""
        tokenizer = self.processor.tokenizer
        questions = self._tokens(queries)
        end = self.model.config.text_config.sep_token_id
        given = [
            [*tokens, end]
            for tokens in tokenizer(
                list(answers), add_special_tokens=False, truncation=True, max_length=self._longest - 1
            )["input_ids"]
        ]
        found: dict[int, AnswerLogits] = {}
        for rows in _group_by_length(questions):
            with torch.no_grad():
                image = torch.stack([features[row] for row in rows])
                question = torch.tensor([questions[row] for row in rows], device=self.device)
                states = self.model.text_encoder(input_ids=question, encoder_hidden_states=image).last_hidden_state
            # The decoder looks back only, so that what follows a shorter answer changes nothing.
            begun = [torch.tensor([self.model.decoder_start_token_id, *given[row][:-1]]) for row in rows]
            ids = pad_sequence(begun, batch_first=True, padding_value=end).to(self.device)
            logits = self.model.text_decoder(input_ids=ids, encoder_hidden_states=states, use_cache=False).logits
            for place, row in enumerate(rows):
                tokens = torch.tensor(given[row], device=self.device)
                found[row] = AnswerLogits(logits[place, : len(tokens)], tokens)
        return [found[row] for row in range(len(queries))]

    def warnings(self, query: Query) -> tuple[str, ...]:
        """A warning if the prompt has more tokens than the text encoder has positions."""
        return warn_if_cut(
            self._prompted(query.question), partial(count_tokens, self.processor.tokenizer), self._longest
        )

    def _tokens(self, queries: Sequence[Query]) -> list[list[int]]:
        prompts = [self._prompted(query.question) for query in queries]
        tokens: list[list[int]] = self.processor.tokenizer(prompts, truncation=True, max_length=self._longest)[
            "input_ids"
        ]
        return tokens

    def _prompted(self, question: str) -> str:
        return self.prompt.replace("{question}", question)

    @torch.inference_mode()
    def _generate(
        self, image: Tensor, question: Tensor, settings: GenerationSettings, listener: Listener
    ) -> list[list[GeneratedAnswer]]:
        states = self.model.text_encoder(input_ids=question, encoder_hidden_states=image).last_hidden_state
        starts = torch.full((len(question), 1), self.model.decoder_start_token_id, device=self.device)
        # The decoder's own config names other end and padding tokens than the model's text config.
        text = self.model.config.text_config
        ends = {"eos_token_id": text.sep_token_id, "pad_token_id": text.pad_token_id}
        return generate(
            self.model.text_decoder,
            {"input_ids": starts, "encoder_hidden_states": states},
            settings,
            [question.shape[1]] * len(question),
            listener,
            **ends,
        )

    @property
    def _longest(self) -> int:
        longest: int = self.model.config.text_config.max_position_embeddings
        return longest


def _group_by_length(tokens: Sequence[Sequence[int]]) -> list[list[int]]:
    """Rows grouped by their number of tokens."""
    groups: dict[int, list[int]] = {}
    for row, sequence in enumerate(tokens):
        groups.setdefault(len(sequence), []).append(row)
    return list(groups.values())
