"""A pipeline with a family that fails on demand."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.pictures import encoded
from vqaserve.families.dummy import Dummy
from vqaserve.pipeline import Pipeline
from vqaserve.settings import HandlerSettings
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Model, Query, Reply, Request

SETTINGS = HandlerSettings(version="1.0.0", family="dummy")


class Fragile(Dummy):
    """Fails the whole batch when a question asks for it, and notes what it was given."""

    def __init__(self) -> None:
        self.encoded: list[int] = []
        self.batches: list[int] = []

    def encode(self, pictures):
        self.encoded.append(len(pictures))
        return super().encode(pictures)

    def forward(self, features: Sequence[str], queries: Sequence[Query]) -> list[str]:
        self.batches.append(len(queries))
        for query in queries:
            if query.question == "fail":
                raise RuntimeError("secret detail")
            if query.question == "huge":
                raise MemoryError
        return super().forward(features, queries)


def pipeline_of(family: Dummy, settings: HandlerSettings = SETTINGS) -> Pipeline:
    return Pipeline(VisualQuestionAnswering(settings), family, settings, Model("dummy", "1.0.0"))


def ask(question: object = "what?", image: bytes | None = None, **fields: object) -> Request:
    return Request("id", {"image": encoded() if image is None else image, "question": question, **fields})


def body(reply: Reply) -> dict:
    return json.loads(reply.body)
