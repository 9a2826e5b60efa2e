"""Explanations: ``/explanations/<model>`` reads the bodies of every format, and has one reply for all of them.

TorchServe gives such requests the header ``explain: True`` and puts them into batches with predictions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from vqaserve.errors import BadRequest, VqaError
from vqaserve.protocols.base import Protocol, as_json, failed_whole
from vqaserve.protocols.plain import entry
from vqaserve.settings import HandlerSettings
from vqaserve.types import Explanation, Item, Model, Query, Reply, Request

_PICTURE = re.compile(r"\bimage/(?:png\b|\*)", re.IGNORECASE)


class Explained(Protocol):
    """Requests of another format that ask for an explanation."""

    def __init__(self, asked: Protocol) -> None:
        """Take the format that reads the request and words an error about all of it."""
        self._asked = asked
        self.replies_to_documents = asked.replies_to_documents

    def recognises(self, request: Request) -> bool:
        """Whether the other format does."""
        return self._asked.recognises(request)

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """The queries that the other format reads, which ask for an explanation.

        Raises:
            VqaError: The request cannot be read, a stream was asked for, or one picture for several answers.
        """
        entries = self._asked.parse(request, settings)
        form: Literal["json", "png"] = "png" if _PICTURE.search(request.headers.get("accept", "")) else "json"
        if form == "png" and len(entries) > 1:
            raise BadRequest(
                f"the request has {len(entries)} questions; send one, or accept application/json, not image/png"
            )
        if any(isinstance(one, Query) and one.stream for one in entries):
            raise BadRequest("an explanation is not streamed; leave out 'stream'")
        return [replace(one, explain=form) if isinstance(one, Query) else one for one in entries]

    def refuse(self, error: VqaError) -> Reply:
        """An error as the other format words it."""
        return self._asked.refuse(error)

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """A PNG file, or what the plain format says with ``explanation`` added; a list for several questions."""
        if not items:  # the request asks which models there are
            return self._asked.reply(request, items, model)
        if error := failed_whole(items):
            return self.refuse(error)
        explanation = items[0].explanation
        if explanation and explanation.drawing:
            if len(items) > 1:  # of a document, whose pages are not known before it is read
                wanted = "send pages=1, or accept application/json, not image/png"
                return self.refuse(BadRequest(f"the request asks for {len(items)} pages; {wanted}"))
            return Reply(explanation.drawing, content_type="image/png")
        entries = [item.error.body if item.error else _entry(item, model) for item in items]
        return as_json(entries if len(entries) > 1 else entries[0])


def _entry(item: Item, model: Model) -> Mapping[str, object]:
    return {**entry(item, model), **({"explanation": _content(item.explanation)} if item.explanation else {})}


def _content(explanation: Explanation) -> Mapping[str, object]:
    grid = explanation.grid
    return {
        "answer": explanation.answer,
        "score": round(explanation.score, 6),
        "rows": len(grid),
        "columns": len(grid[0]),
        "grid": grid,
        "words": [{"word": word, "weight": weight} for word, weight in explanation.words],
    }
