"""The model behind every peer: it decodes the picture and answers as our own workers do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.peers.peer_settings import PeerSettings
from vqaserve.families import find_family
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Query


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """The fields of a form."""

    image: bytes
    question: str
    top_k: int


Rank = Callable[[Sequence[PeerRequest]], Sequence[Sequence[tuple[str, float]]]]
"""Ranks the answers to each request, best first, with their scores."""


class PeerModel:
    """A recipe's family with the recipe's own precision and threads, or its weights in transformers.

    Pictures are decoded in this process, as in a handler that is written for a peer. Nothing guards against files that
    crash the decoder or never end, no answer is cached, and a bad picture fails its whole batch.
    """

    def __init__(self, rank: Rank) -> None:
        self._rank = rank

    @classmethod
    def load(cls, settings: PeerSettings) -> PeerModel:
        """Load the model, then report this process as ready.

        Raises:
            RecipeError: The model does not load.
        """
        handler = ModelConfig.read(settings.recipe / "model-config.yaml").handler
        model = cls(_eager(settings.recipe, handler) if settings.eager else _as_ours(settings.recipe, handler))
        (settings.ready / str(os.getpid())).touch()
        return model

    def answer(self, requests: Sequence[PeerRequest]) -> list[dict[str, Any]]:
        """Return the reply to each request, ready for JSON."""
        return [
            {
                "answer": ranked[0][0],
                "confidence": ranked[0][1],
                "answers": [{"answer": answer, "score": score} for answer, score in ranked],
            }
            for ranked in self._rank(requests)
        ]


def _as_ours(recipe: Path, settings: HandlerSettings) -> Rank:
    family, limits = find_family(settings.family).load(recipe, settings), settings.limits.pictures

    def rank(requests: Sequence[PeerRequest]) -> list[list[tuple[str, float]]]:
        queries = [Query(request.image, request.question, top_k=request.top_k) for request in requests]
        pictures = [open_picture(request.image, limits, squeeze=family.squeeze).pixels for request in requests]
        outputs = family.forward(family.encode(pictures), queries)
        return [[(one.answer, one.score) for one in ranked] for ranked in family.decode(outputs, queries)]

    return rank


def _eager(recipe: Path, settings: HandlerSettings) -> Rank:
    import torch

    from loadtest.bench.transformers_baseline import TransformersBaseline  # imports transformers

    torch.set_num_threads(settings.threads)
    baseline = TransformersBaseline(recipe / settings.weights)
    return lambda requests: baseline.rank(
        [request.image for request in requests], [request.question for request in requests]
    )
