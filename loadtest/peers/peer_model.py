"""The model behind every peer: it decodes the picture and answers as our own workers do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.peers.peer_settings import PeerSettings
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Query


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """The fields of a form."""

    image: bytes
    question: str
    top_k: int


class PeerModel:
    """A recipe's family with the recipe's own precision and threads.

    Pictures are decoded in this process, as in a handler that is written for a peer. Nothing guards against files that
    crash the decoder or never end, no answer is cached, and a bad picture fails its whole batch.
    """

    def __init__(self, family: Family[Any, Any], settings: HandlerSettings) -> None:
        self._family = family
        self._limits = settings.limits.pictures

    @classmethod
    def load(cls, settings: PeerSettings) -> PeerModel:
        """Load the model, then report this process as ready.

        Raises:
            RecipeError: The model does not load.
        """
        handler = ModelConfig.read(settings.recipe / "model-config.yaml").handler
        model = cls(find_family(handler.family).load(settings.recipe, handler), handler)
        (settings.ready / str(os.getpid())).touch()
        return model

    def answer(self, requests: Sequence[PeerRequest]) -> list[dict[str, Any]]:
        """Return the reply to each request, ready for JSON."""
        queries = [Query(request.image, request.question, top_k=request.top_k) for request in requests]
        squeeze = self._family.squeeze
        pictures = [open_picture(request.image, self._limits, squeeze=squeeze).pixels for request in requests]
        outputs = self._family.forward(self._family.encode(pictures), queries)
        return [
            {
                "answer": ranked[0].answer,
                "confidence": ranked[0].score,
                "answers": [{"answer": one.answer, "score": one.score} for one in ranked],
            }
            for ranked in self._family.decode(outputs, queries)
        ]
