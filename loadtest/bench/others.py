"""The road that others take with the same checkpoint: eager bf16, and the processor's inputs as it gives them.

It stands for the servers of other projects that a model's own documentation leads to: their handlers run just this, so
none of them needs less CPU time than it.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForVisualQuestionAnswering, AutoProcessor

from loadtest.bench.caller import TOP_K
from loadtest.bench.floor import stage, timed
from loadtest.bench.mixes import Ask, Stream
from loadtest.bench.turns import Turn


class OthersRoad:
    """A Hugging Face folder, used as its documentation shows, in bf16 and batches."""

    def __init__(self, weights: Path) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(weights, local_files_only=True)  # type: ignore[no-untyped-call]
        model = AutoModelForVisualQuestionAnswering.from_pretrained(
            weights, local_files_only=True, dtype=torch.bfloat16
        )
        self._model = model.eval()

    def turn(self, stream: Stream, batch: int, seconds: float) -> Turn:
        """Answer whole batches for so long."""
        return timed(self._answer, stream, batch, seconds)

    @torch.inference_mode()
    def _answer(self, asks: Sequence[Ask], stages: dict[str, float]) -> list[list[tuple[str, float]]]:
        with stage("open", stages):
            pictures = [Image.open(BytesIO(ask.image)).convert("RGB") for ask in asks]
        with stage("encode", stages):
            questions = [ask.pair.question for ask in asks]
            # The length that ViLT was trained with, and the processor's habit for batches.
            inputs = self._processor(
                images=pictures, text=questions, padding="max_length", max_length=40, return_tensors="pt"
            )
            inputs["pixel_values"] = inputs["pixel_values"].to(torch.bfloat16)
        with stage("forward", stages):
            logits = self._model(**inputs).logits.float()
        with stage("decode", stages):
            scores, places = logits.sigmoid().topk(TOP_K)
            names = self._model.config.id2label
            return [
                [(names[place], score) for place, score in zip(*row, strict=True)]
                for row in zip(places.tolist(), scores.tolist(), strict=True)
            ]
