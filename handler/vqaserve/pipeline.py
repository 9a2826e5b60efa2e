"""The road: parse -> split -> prepare -> identify -> recall -> open -> answer (-> explain) -> finish -> reply.

A batch of requests becomes a list of items, one for each question about a picture. Each stage returns a new list in the
same order; an item that fails gets an error, passes the later stages untouched, and fails no other item.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from vqaserve.answering import Answerer
from vqaserve.card import read_card
from vqaserve.choosing import Choice, choose
from vqaserve.conversations import check_conversation, last_question
from vqaserve.errors import InvalidParameter, RecipeError
from vqaserve.exchange import Exchange
from vqaserve.explaining import Explainer
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.identifying import Identifier
from vqaserve.memory import loading
from vqaserve.metrics import Emit, Stopwatch, server_timing
from vqaserve.opening import Opener
from vqaserve.protocols.base import as_json
from vqaserve.protocols.kserve_v2 import metadata
from vqaserve.protocols.plain import request_schema
from vqaserve.recording import BatchRecorder
from vqaserve.remote import Fetcher
from vqaserve.settings import HandlerSettings
from vqaserve.stages import run_stage
from vqaserve.streams import Send, Streams
from vqaserve.tasks import find_task
from vqaserve.tasks.base import Task
from vqaserve.types import Item, Model, Query, Reply, Request

log = logging.getLogger(__name__)


class Pipeline:
    """Answers batches of requests with one task and one model family."""

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
        """Start the decoding process, and open the prediction log if the recipe enables it.

        Args:
            task: Checks questions and words answers.
            family: The loaded model.
            settings: The recipe's ``handler:`` section.
            model: The name and version that replies and metrics carry.
            emit: Receives the metrics of each batch.
            shared: The folder of features that the workers of a version share.
            opening_seconds: The time for reading the documents of a batch, and for fetching and decoding its pictures;
                later ones get a 503. The explanations of a batch get half as much.
        """
        self.task = task
        self.family = family
        self.settings = settings
        self.model = model
        self.card: Mapping[str, object] = {}
        self.choice = Choice(settings, "recipe", "the recipe sets it")
        self.stopwatch = Stopwatch()
        self.identifier = Identifier(Fetcher(settings.remote_images, settings.limits.max_image_bytes))
        self.opener = Opener(settings.limits.pictures, family.squeeze, self.stopwatch)
        self.answerer = Answerer(family, settings.cache, self.stopwatch, shared)
        self.recorder = BatchRecorder(settings, model, emit)
        self.explainer = Explainer(family, settings.explain, opening_seconds / 2, self.stopwatch)
        self._opening_seconds = opening_seconds

    @classmethod
    def load(
        cls,
        folder: Path,
        settings: HandlerSettings,
        model: Model,
        emit: Emit = lambda samples: None,
        opening_seconds: float = math.inf,
    ) -> Pipeline:
        """Load the task and the family that a recipe names.

        Args:
            folder: The root of the recipe or of the unpacked archive.
            settings: The recipe's ``handler:`` section.
            model: As of the constructor.
            emit: As of the constructor.
            opening_seconds: As of the constructor.

        Raises:
            RecipeError: A name is unknown, the two do not fit together, or the family's files do not load.
        """
        task, family = find_task(settings.task), find_family(settings.family)
        _check_pair(settings, family)
        choice = choose(folder, settings)
        with loading():
            loaded = family.load(folder, choice.settings)
        log.info(
            "%s computes with %s in %s (%s: %s)",
            *(model.name, loaded.runtime, loaded.precision, choice.source, choice.reason),
        )
        pipeline = cls(task(settings), loaded, settings, model, emit, folder / ".features", opening_seconds)
        pipeline.card, pipeline.choice = read_card(folder), choice
        pipeline.recorder.record_start(loaded.runtime, loaded.precision, choice.source)
        return pipeline

    def answer(self, requests: Sequence[Request], send: Send = lambda parts: None) -> list[Reply]:
        """Return one reply for each request, in order.

        Args:
            requests: A batch.
            send: Sends parts of the replies to requests that ask for a stream, while the batch is answered. The reply
                that is returned for such a request is the rest.
        """
        arrived, deadline = time.time(), time.monotonic() + self._opening_seconds
        with self.stopwatch("parse"):
            exchanges = [Exchange.parse(request, self.settings) for request in requests]
        with self.stopwatch("open"):
            exchanges = [exchange.split(self.task, deadline) for exchange in exchanges]
        streams = Streams(exchanges, self.model, send)
        asked = [item for exchange in exchanges for item in exchange.items]
        items = iter(self._answer_items(asked, streams, deadline))
        with self.stopwatch("reply"):
            finished = [exchange.take(items) for exchange in exchanges]
            replies = [streams.reply(place, exchange) for place, exchange in enumerate(finished)]
        seconds, first_texts = self.stopwatch.take(), streams.first_texts
        self.recorder.record(finished, replies, arrived, seconds, self.answerer.counters, first_texts)
        timing = {"Server-Timing": server_timing(seconds)}
        return [replace(reply, headers={**reply.headers, **timing}) for reply in replies]

    def _answer_items(self, items: Sequence[Item], streams: Streams, deadline: float) -> list[Item]:
        prepared = self._run("parse", self._prepare, items)
        with self.stopwatch("open"):
            identified = self.identifier.identify(prepared)
        # Lazily: what one group of requests computes is recalled for the next.
        recalled = (self._run("open", self._recall, request) for request in _by_request(identified))
        opened = self.opener.open(recalled, deadline)
        answered = [
            _without_file(item)
            for group in opened
            for item in self.explainer.explain(self.answerer.answer(group, streams.watch))
        ]
        return self._run("reply", self._finish, answered)

    def _run(self, timed_as: str, stage: Callable[[Item], Item], items: Sequence[Item]) -> list[Item]:
        with self.stopwatch(timed_as):
            return run_stage(stage, items)

    def _prepare(self, item: Item) -> Item:
        query = self.task.prepare(item.query)
        if query.answer and not query.explain:
            raise InvalidParameter("'answer' names what /explanations/<model> explains; leave it out of a prediction")
        if not self.family.reads_conversations:
            query = last_question(query)
        check_conversation(query, self.settings.limits)
        if query.lenient:
            query = _without_parameters(query, self.family)
        self.family.check(query)
        if warnings := self.family.warnings(query):
            query = replace(query, warnings=(*query.warnings, *warnings))
        return item.with_query(query)

    def _recall(self, item: Item) -> Item:
        return item if item.query.explain else self.answerer.recall(item)  # an explanation needs the pixels

    def _finish(self, item: Item) -> Item:
        best = item.answers[0]
        abstained = best.abstained or best.score < self.settings.abstain_below
        return replace(item, ranked=self.task.finish(item.answers, item.query), abstained=abstained)

    def describe(self) -> Reply:
        """Return what the worker serves and what it takes, for ``GET /models/<name>?customized=true``."""
        fields = {"image", *self.task.fields, *self.family.parameters}
        return as_json(
            {
                "task": self.settings.task,
                "family": self.settings.family,
                "precision": self.family.precision,
                "runtime": self.family.runtime,
                "chosen_by": self.choice.source,
                "reason": self.choice.reason,
                "model": {"name": self.model.name, "version": self.model.version},
                "top_k": self.settings.top_k,
                "limits": self.settings.limits.model_dump(),
                "cache": self.answerer.counters,
                "request": request_schema(fields),
                "metadata": metadata(fields, self.task.noun),
                "card": self.card,
            }
        )

    def close(self) -> None:
        """Write the lines that the prediction log still holds in memory."""
        self.recorder.close()


def _check_pair(settings: HandlerSettings, family: type[Family[Any, Any]]) -> None:
    if settings.task not in family.tasks:
        raise RecipeError(
            f"family {settings.family!r} cannot do task {settings.task!r}; it does: {', '.join(sorted(family.tasks))}"
        )
    if settings.cache.shared_features_mb and not family.shares:
        raise RecipeError(f"family {settings.family!r} cannot share features; leave out cache: shared_features_mb")


def _by_request(items: Sequence[Item]) -> Iterator[list[Item]]:
    return (list(request) for _, request in groupby(items, key=lambda item: item.request_id))


def _without_parameters(query: Query, family: Family[Any, Any]) -> Query:
    """Return the query without parameters that the family does not take, and with a warning that names them."""
    ignored = query.parameters.keys() - family.parameters.keys()
    stop = query.stop if family.writes else ()
    if stop != query.stop:
        ignored.add("stop")
    if not ignored:
        return query
    taken = {name: value for name, value in query.parameters.items() if name not in ignored}
    warning = f"this model does not take {', '.join(sorted(ignored))}, which had no effect"
    return replace(query, parameters=taken, stop=stop, warnings=(*query.warnings, warning))


def _without_file(item: Item) -> Item:
    """Return the item without its file and pixels, which no later stage needs."""
    return item.with_pictures([replace(picture, data=b"", pixels=None) for picture in item.pictures])
