"""The road from requests to replies: parse -> open -> prepare -> compute -> finish -> reply, item by item."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vqaserve.answering import Answerer
from vqaserve.card import read_card
from vqaserve.deadline import began, check_deadline
from vqaserve.errors import InternalError, RecipeError, VqaError
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.metrics import Batch, Emit, Recorder, Stopwatch
from vqaserve.opening import Opener
from vqaserve.predictions import Prediction, PredictionWriter
from vqaserve.protocols import find_protocol
from vqaserve.protocols.base import Protocol, as_json
from vqaserve.protocols.body import decoded
from vqaserve.protocols.plain import PlainRequest
from vqaserve.settings import HandlerSettings
from vqaserve.stages import each, translated
from vqaserve.tasks import find_task
from vqaserve.tasks.base import Task
from vqaserve.types import Item, Model, Query, Reply, Request

log = logging.getLogger(__name__)

_LARGEST_REPLY = 4_000_000
"""TorchServe kills a worker whose reply to one request is over max_response_size (config.properties)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, the format it speaks, and its items; or what is wrong with it as a whole."""

    request: Request
    protocol: Protocol
    items: tuple[Item, ...] = ()
    refused: VqaError | None = None


class Pipeline:
    """Answers batches of requests; nothing that a request holds makes another one fail."""

    def __init__(
        self,
        task: Task,
        family: Family[Any, Any],
        settings: HandlerSettings,
        model: Model,
        emit: Emit = lambda samples: None,
        shared: Path | None = None,
        opening_seconds: float = math.inf,
    ) -> None:
        self.task = task
        self.family = family
        self.stopwatch = Stopwatch()
        self.answerer = Answerer(family, settings.cache, self.stopwatch, shared)
        self.opener = Opener(settings, family.squeeze, self.answerer.recall, self.stopwatch, opening_seconds)
        self.settings = settings
        self.model = model
        self.recorder = Recorder(model, emit)
        self.card: Mapping[str, object] = {}
        self.predictions = PredictionWriter(settings.prediction_log, model) if settings.prediction_log.enabled else None

    @classmethod
    def load(
        cls,
        folder: Path,
        settings: HandlerSettings,
        model: Model,
        emit: Emit = lambda samples: None,
        opening_seconds: float = math.inf,
    ) -> Pipeline:
        """Load what a recipe names from its folder.

        Args:
            folder: The recipe's or the unpacked archive's root.
            settings: The recipe's ``handler:`` section.
            model: What replies and metrics name.
            emit: Is told what happens to each batch.
            opening_seconds: After which no more pictures of a batch are opened, and their questions get a 503.

        Raises:
            RecipeError: A name is unknown, the two do not fit together, or the family's files do not load.
        """
        task = find_task(settings.task)
        family = find_family(settings.family)
        if settings.task not in family.tasks:
            raise RecipeError(
                f"family {settings.family!r} cannot do task {settings.task!r}; "
                f"it does: {', '.join(sorted(family.tasks))}"
            )
        if settings.cache.shared_features_mb and not family.shares:
            raise RecipeError(f"family {settings.family!r} cannot share features; leave out cache: shared_features_mb")
        loaded = family.load(folder, settings)
        pipeline = cls(task(settings), loaded, settings, model, emit, folder / ".features", opening_seconds)
        pipeline.card = read_card(folder)
        pipeline.recorder.started(settings.task, settings.family, pipeline.family.precision)
        return pipeline

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order."""
        arrived = time.time()
        with self.stopwatch("parse"):
            exchanges = [self._open_exchange(request) for request in requests]
        items = self._answer([item for exchange in exchanges for item in exchange.items])
        with self.stopwatch("reply"):
            rest = iter(items)
            done = [replace(exchange, items=tuple(next(rest) for _ in exchange.items)) for exchange in exchanges]
            replies = [self._close_exchange(exchange) for exchange in done]
        try:
            self._record(done, replies, items, arrived)
        except Exception:  # accounting never costs an answer
            log.exception("a batch of %d was answered, but not counted", len(requests))
        return replies

    def close(self) -> None:
        """Write what still waits for the prediction log."""
        if self.predictions:
            self.predictions.close()

    def describe(self) -> Reply:
        """What serves here, for ``GET /models/<name>?customized=true``."""
        return as_json(
            {
                "task": self.settings.task,
                "family": self.settings.family,
                "precision": self.family.precision,
                "model": {"name": self.model.name, "version": self.model.version},
                "top_k": self.settings.top_k,
                "limits": self.settings.limits.model_dump(),
                "cache": self.answerer.counters,
                "request": PlainRequest.model_json_schema(),
                "card": self.card,
            }
        )

    def _open_exchange(self, request: Request) -> Exchange:
        protocol = find_protocol(request)
        try:
            check_deadline(request.headers)
            request = decoded(request)
            protocol = find_protocol(request)
            entries = protocol.parse(request, self.settings)
            return Exchange(request, protocol, tuple(_item(request.label, entry) for entry in entries))
        except Exception as error:  # noqa: BLE001 - the rim: translated and logged
            return Exchange(request, protocol, refused=translated(error, request.label))

    def _close_exchange(self, exchange: Exchange) -> Reply:
        if exchange.refused:
            return exchange.protocol.refuse(exchange.refused)
        try:
            reply = exchange.protocol.reply(exchange.request, exchange.items, self.model)
            if len(reply.body) > _LARGEST_REPLY:
                raise RuntimeError(f"a reply of {len(reply.body):,} bytes")
            return reply
        except Exception as error:  # noqa: BLE001 - the rim: a score that is not a number, say
            return exchange.protocol.refuse(translated(error, exchange.request.label))

    def _record(
        self, exchanges: Sequence[Exchange], replies: Sequence[Reply], items: Sequence[Item], arrived: float
    ) -> None:
        seconds, dropped = self.stopwatch.take(), 0
        if self.predictions:
            milliseconds = 1000 * sum(seconds.values())
            self.predictions.write(
                Prediction.of(exchange.request, item, milliseconds)
                for exchange in exchanges
                for item in _told(exchange)
            )
            dropped = self.predictions.take_dropped()
        starts = [began(exchange.request.headers) for exchange in exchanges]
        self.recorder.answered(
            Batch(
                outcomes=[_outcome(exchange, reply) for exchange, reply in zip(exchanges, replies, strict=True)],
                waited=[arrived - start for start in starts if start is not None],
                items=items,
                seconds=seconds,
                caches=self.answerer.counters,
                dropped=dropped,
            )
        )

    def _answer(self, items: Sequence[Item]) -> list[Item]:
        def prepare(item: Item) -> Item:
            query = self.task.prepare(_query(item))
            if query.lenient:
                query = _without(query, query.parameters.keys() - self.family.parameters.keys())
            self.family.check(query)
            return replace(item, query=query)

        def finish(item: Item) -> Item:
            abstained = item.answers[0].score < self.settings.abstain_below
            return replace(item, ranked=self.task.finish(item.answers), abstained=abstained)

        with self.stopwatch("parse"):
            items = each(prepare, items)
        answered = [_light(item) for opened in self.opener.open(items) for item in self.answerer.answer(opened)]
        with self.stopwatch("reply"):
            return each(finish, answered)


def _without(query: Query, ignored: Collection[str]) -> Query:
    """The query without parameters that the family does not take, and with a warning that names them."""
    if not ignored:
        return query
    taken = {name: value for name, value in query.parameters.items() if name not in ignored}
    warning = f"this model does not take {', '.join(sorted(ignored))}, which had no effect"
    return replace(query, parameters=taken, warnings=(*query.warnings, warning))


def _light(item: Item) -> Item:
    """Without its pixels, which nothing needs once it is answered."""
    return replace(item, picture=replace(item.picture, pixels=None)) if item.picture else item


def _told(exchange: Exchange) -> Sequence[Item]:
    """What the prediction log is told of a request: its questions, or its refusal; nothing of a list of models."""
    return (Item(exchange.request.label, error=exchange.refused),) if exchange.refused else exchange.items


def _outcome(exchange: Exchange, reply: Reply) -> str:
    """``ok``, or the ``type`` in the body of the error that became the reply."""
    if reply.status < 400:
        return "ok"
    faults = (exchange.refused, *(item.error for item in exchange.items))
    return type(next((fault for fault in faults if fault), InternalError())).__name__


def _item(request_id: str, entry: Query | VqaError) -> Item:
    return Item(request_id, error=entry) if isinstance(entry, VqaError) else Item(request_id, entry)


def _query(item: Item) -> Query:
    assert item.query is not None
    return item.query
