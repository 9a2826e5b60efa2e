"""The road from requests to replies: parse -> open -> prepare -> compute -> finish -> reply, item by item."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from vqaserve.answering import Answerer
from vqaserve.card import read_card
from vqaserve.deadline import began, check_deadline
from vqaserve.decoding import Budget, Decoder
from vqaserve.errors import InternalError, OutOfMemory, RecipeError, VqaError
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.images import digest_of
from vqaserve.metrics import Batch, Emit, Recorder, Stopwatch
from vqaserve.predictions import Prediction, PredictionWriter
from vqaserve.protocols import find_protocol
from vqaserve.protocols.base import Protocol, as_json
from vqaserve.protocols.body import decoded
from vqaserve.protocols.plain import PlainRequest
from vqaserve.remote import Fetcher
from vqaserve.settings import HandlerSettings
from vqaserve.tasks import find_task
from vqaserve.tasks.base import Task
from vqaserve.types import Item, Model, Picture, Query, RemoteImage, Reply, Request

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
        self.opening_seconds = opening_seconds
        self.task = task
        self.family = family
        self.stopwatch = Stopwatch()
        self.answerer = Answerer(family, settings.cache, _translated, self.stopwatch, shared)
        self.settings = settings
        self.model = model
        self.recorder = Recorder(model, emit)
        self.card: Mapping[str, object] = {}
        self.decode = Decoder(settings.limits)
        self.predictions = PredictionWriter(settings.prediction_log, model) if settings.prediction_log.enabled else None
        self.fetch = Fetcher(settings.remote_images, settings.limits.max_image_bytes)

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

    def __call__(self, requests: Sequence[Request]) -> list[Reply]:
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
            return Exchange(request, protocol, refused=_translated(error, request.label))

    def _close_exchange(self, exchange: Exchange) -> Reply:
        if exchange.refused:
            return exchange.protocol.refuse(exchange.refused)
        try:
            reply = exchange.protocol.reply(exchange.request, exchange.items, self.model)
            if len(reply.body) > _LARGEST_REPLY:
                raise RuntimeError(f"a reply of {len(reply.body):,} bytes")
            return reply
        except Exception as error:  # noqa: BLE001 - the rim: a score that is not a number, say
            return exchange.protocol.refuse(_translated(error, exchange.request.label))

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
                taken = {name: value for name, value in query.parameters.items() if name in self.family.parameters}
                query = replace(query, parameters=taken)
            self.family.check(query)
            return replace(item, query=query)

        def finish(item: Item) -> Item:
            abstained = item.answers[0].score < self.settings.abstain_below
            return replace(item, ranked=self.task.finish(item.answers), abstained=abstained)

        with self.stopwatch("parse"):
            items = _each(prepare, items)
        answered = [_light(item) for opened in self._open_pictures(items) for item in self.answerer(opened)]
        with self.stopwatch("reply"):
            return _each(finish, answered)

    def _open_pictures(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Fetch what came as a URL, and decode what is not remembered; a file that recurs is opened once.

        Items come back together, unless their pixels are too many to be held at once: then whole requests at a time.
        """
        deadline = time.monotonic() + self.opening_seconds
        with self.stopwatch("open"):
            images = [(item.request_id, _query(item).image) for item in items if item.error is None]
            fetched = self.fetch((label, image.url) for label, image in images if isinstance(image, RemoteImage))
            files = (*(image for _, image in images), *fetched.values())
            digests = {data: digest_of(data) for data in files if isinstance(data, bytes)}
        opened: dict[str, Picture] = {}
        refused: dict[tuple[str, str], VqaError] = {}  # by request too: one request's limit is not another's
        left: dict[str, Budget] = defaultdict(lambda: Budget.of(self.settings.limits, deadline))

        def open_image(item: Item) -> Item:
            image = _query(item).image
            data = fetched[item.request_id, image.url] if isinstance(image, RemoteImage) else image
            if isinstance(data, VqaError):
                if data.__cause__:
                    log.info("request %s: a picture's URL could not be fetched: %r", item.request_id, data.__cause__)
                raise data
            digest = digests[data]
            item = self.answerer.recall(replace(item, picture=Picture(digest)))
            if item.answers or (item.picture and item.picture.features is not None):
                return item
            if digest not in opened:
                request = item.request_id
                if (request, digest) in refused:
                    raise refused[request, digest]
                try:
                    opened[digest] = self.decode(data, left[request])
                except VqaError as error:
                    refused[request, digest] = error
                    raise
            return replace(item, picture=opened[digest])

        group: list[Item] = []
        for _, asked in groupby(items, key=lambda item: item.request_id):
            with self.stopwatch("open"):
                group += _each(open_image, list(asked))
            if sum(_pixels(picture) for picture in opened.values()) > self.settings.limits.max_request_pixels:
                yield group
                group = []
                opened.clear()
        yield group


def _pixels(picture: Picture) -> int:
    return picture.pixels.width * picture.pixels.height if picture.pixels else 0


def _light(item: Item) -> Item:
    """Without its pixels, which nothing needs once it is answered."""
    return replace(item, picture=replace(item.picture, pixels=None)) if item.picture else item


def _each(stage: Callable[[Item], Item], items: Sequence[Item]) -> list[Item]:
    return [item if item.error is not None else _attempt(stage, item) for item in items]


def _attempt(stage: Callable[[Item], Item], item: Item) -> Item:
    try:
        return stage(item)
    except Exception as error:  # noqa: BLE001 - the rim: translated and logged
        return replace(item, error=_translated(error, item.request_id))


def _translated(error: Exception, request_id: str) -> VqaError:
    """An error as a client may see it; what is not a client's doing is logged with its traceback."""
    if isinstance(error, VqaError):
        return error
    log.error("request %s failed", request_id, exc_info=error)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate memory" in str(error):
        return OutOfMemory("this question does not fit into the server's memory; send a smaller picture")
    return InternalError("the server failed on this question; its log has the details under the request id")


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
