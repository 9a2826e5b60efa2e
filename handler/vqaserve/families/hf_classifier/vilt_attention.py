"""What a ViLT's answer rests on: its attention, weighted by the gradients of the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqaserve.families.hf_classifier.vilt import embed_patches


@dataclass(frozen=True, slots=True)
class Relevance:
    """How much a logit rests on each input.

    Attributes:
        logits: Of all answers [1, answers].
        tokens: Of the question's tokens [length].
        patches: Of the picture's patches [rows, columns].
    """

    logits: Tensor
    tokens: Tensor
    patches: Tensor


def relevance(model: Any, tokens: Mapping[str, Tensor], pixels: Tensor, answer: int) -> Relevance:
    """Weigh the inputs of one answer with one forward and one backward pass.

    This is the rule for attention over one sequence of Chefer, Gur and Wolf, "Generic Attention-model Explainability
    for Interpreting Bi-Modal and Encoder-Decoder Transformers" (ICCV 2021, https://arxiv.org/abs/2103.15679). Relevance
    begins as the identity. Each layer adds the mean over its heads of the positive part of attention times gradient,
    multiplied by the relevance so far. Only the row of the first token counts, from which the answer is computed, so
    the product is taken from the last layer to the first, row times matrix.

    Args:
        model: ``ViltForQuestionAnswering``, in a floating-point type.
        tokens: The tokenizer's tensors [1, length].
        pixels: A prepared picture [1, 3, height, width].
        answer: The number of the answer.
    """
    with torch.enable_grad():
        patches = model.vilt.embeddings.patch_embeddings(pixels)
        rows, columns = patches.shape[2:]
        side = model.config.image_size // model.config.patch_size
        # Pixels would be given to the layers in a random order of their patches.
        picture = embed_patches(model.vilt.embeddings, patches, side)
        mask = torch.ones(picture.shape[:2], dtype=torch.long, device=picture.device)
        output = model(**tokens, image_embeds=picture, pixel_mask=mask, output_attentions=True)
        gradients = torch.autograd.grad(output.logits[0, answer], output.attentions)
    row = torch.zeros(1, mask.shape[1] + tokens["input_ids"].shape[1], device=picture.device)
    row[0, 0] = 1
    with torch.inference_mode():
        for attention, gradient in zip(reversed(output.attentions), reversed(gradients), strict=True):
            row = row + row @ (attention[0].float() * gradient[0].float()).clamp(min=0).mean(0)
        weights = row[0].cpu()
    seen = weights[-rows * columns :].reshape(rows, columns)
    return Relevance(output.logits.detach().float(), weights[: tokens["input_ids"].shape[1]], seen)


def sum_by_word(text: str, spans: Sequence[Sequence[int]], weights: Sequence[float]) -> list[float]:
    """The weight of each word of a text, which is the sum of those of its tokens.

    Args:
        text: Words between white space.
        spans: First character of each token, and the one after its last; control tokens have none.
        weights: Of the tokens.
    """
    found = [
        (start, weight) for (start, end), weight in zip(spans, weights, strict=True) if end > start
    ]  # what is cut off has no tokens
    return [
        sum(weight for start, weight in found if word.start() <= start < word.end())
        for word in re.finditer(r"\S+", text)
    ]
