"""The same checkpoint as its model's documentation uses it: eager transformers, padded to a fixed length.

Servers that follow that documentation run exactly this, so none of them needs less CPU time per answer. It computes in
bf16. A processor without bf16 emulates it and takes ten times as long as in fp32, so there it computes in fp32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForVisualQuestionAnswering, AutoProcessor

from loadtest.bench.floor import measure_in_process, timed_stage
from loadtest.bench.results import Measurement
from loadtest.fast_client import TOP_K
from loadtest.pairs import PairRequest, RequestStream
from vqaserve.families.precision import multiplies_bf16


class TransformersBaseline:
    """A Hugging Face folder of the ViLT architecture, in batches."""

    def __init__(self, weights: Path) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(weights, local_files_only=True)  # type: ignore[no-untyped-call]
        self._dtype = torch.bfloat16 if multiplies_bf16() else torch.float32
        model = AutoModelForVisualQuestionAnswering.from_pretrained(weights, local_files_only=True, dtype=self._dtype)
        self._model = model.eval()

    def measure(self, stream: RequestStream, batch: int, seconds: float) -> Measurement:
        """Answer full batches for some seconds."""
        return measure_in_process(self._answer, stream, batch, seconds)

    def rank(self, images: Sequence[bytes], questions: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Return the best answers to each question about each picture file, with their scores."""
        return self._rank(images, questions, defaultdict(float))

    def _answer(self, requests: Sequence[PairRequest], stages: dict[str, float]) -> list[list[tuple[str, float]]]:
        images, questions = zip(*((request.image, request.pair.question) for request in requests), strict=True)
        return self._rank(images, questions, stages)

    @torch.inference_mode()
    def _rank(
        self, images: Sequence[bytes], questions: Sequence[str], stages: dict[str, float]
    ) -> list[list[tuple[str, float]]]:
        with timed_stage("open", stages):
            pictures = [Image.open(BytesIO(image)).convert("RGB") for image in images]
        with timed_stage("encode", stages):
            # ViLT was trained with this length, and the processor pads batches to it.
            inputs = self._processor(
                images=pictures, text=list(questions), padding="max_length", max_length=40, return_tensors="pt"
            )
            inputs["pixel_values"] = inputs["pixel_values"].to(self._dtype)
        with timed_stage("forward", stages):
            logits = self._model(**inputs).logits.float()
        with timed_stage("decode", stages):
            scores, places = logits.sigmoid().topk(TOP_K)
            names = self._model.config.id2label
            return [
                [(names[place], score) for place, score in zip(*row, strict=True)]
                for row in zip(places.tolist(), scores.tolist(), strict=True)
            ]
