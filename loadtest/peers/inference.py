"""What every peer does with a request: the same picture opening, the same family, the same answer in JSON."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.peers.worker_settings import Told
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Query


@dataclass(frozen=True, slots=True)
class Form:
    """What a client sent."""

    image: bytes
    question: str
    top_k: int


class Road:
    """A recipe's family, loaded as our own workers and the floor load it: the same arithmetic, the same threads.

    Pictures are opened in this process, as anybody would who writes a handler for a peer: nothing guards against files
    that crash a decoder or never end, no answer is remembered, and a bad picture costs its whole batch.
    """

    def __init__(self, family: Family[Any, Any], settings: HandlerSettings) -> None:
        self._family = family
        self._limits = settings.limits

    @classmethod
    def load(cls, told: Told) -> Road:
        """Load the model, and say so in the folder of who is ready.

        Raises:
            RecipeError: It does not load.
        """
        settings = ModelConfig.read(told.recipe / "model-config.yaml").handler
        road = cls(find_family(settings.family).load(told.recipe, settings), settings)
        (told.ready / str(os.getpid())).touch()
        return road

    def __call__(self, forms: Sequence[Form]) -> list[dict[str, Any]]:
        """The reply to each form, ready for JSON."""
        queries = [Query(form.image, form.question, top_k=form.top_k) for form in forms]
        squeeze = self._family.squeeze
        pictures = [open_picture(form.image, self._limits, squeeze=squeeze).pixels for form in forms]
        outputs = self._family.forward(self._family.encode(pictures), queries)
        return [
            {
                "answer": ranked[0].answer,
                "confidence": ranked[0].score,
                "answers": [{"answer": one.answer, "score": one.score} for one in ranked],
            }
            for ranked in self._family.decode(outputs, queries)
        ]
