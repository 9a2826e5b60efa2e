"""Replies that are sent while they are written: what each stream has sent, and what is left to send."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vqaserve.exchange import Exchange
from vqaserve.protocols.base import EventWriter
from vqaserve.stages import to_vqa_error
from vqaserve.types import Item, Model, Reply
from vqaserve.writing import Draft, Progress

_HEADERS = {"X-Accel-Buffering": "no"}  # nginx, and what follows its habit, passes the parts on as they come


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a streamed reply.

    Attributes:
        reply: Its status and headers count with the first part.
        is_last: Whether the reply ends with it.
    """

    reply: Reply
    is_last: bool = False


Send = Callable[[Mapping[int, Part]], None]
"""Sends the next part of some replies of a batch, by the place of their request."""


class Stream:
    """The reply to one request that asks for a stream."""

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        self._sent = ""
        self.began = 0.0
        """Unix time of the first part with text; 0 before it."""
        self.is_complete = False
        """Whether all of the answer is sent."""

    def advance(self, draft: Draft) -> Part | None:
        """The next part, or None if nothing can be sent. After a batch that failed half way, texts come again."""
        rest = draft.text[len(self._sent) :]
        is_last = draft.writing is not None
        grows = draft.text.startswith(self._sent) and (rest or is_last)
        if self.is_complete or not self._writer.is_stepwise or not grows:
            return None
        start = self._begin()
        body = self._writer.end(rest, draft.writing) if is_last else self._writer.more(rest)
        self._sent, self.is_complete = draft.text, is_last
        return Part(_reply(start + body), is_last)

    def last(self, exchange: Exchange, model: Model) -> Reply:
        """The rest of the reply; if nothing is sent yet, an error is a reply with its own status."""
        item = exchange.items[0]
        if self.is_complete:
            return _reply(b"")
        if item.error and not self.began:
            return exchange.reply(model)
        try:
            rest = self._writer.fail(item.error) if item.error else self._rest(item)
        except Exception as error:  # noqa: BLE001 - as in ``Exchange.reply``
            rest = self._writer.fail(to_vqa_error(error, item.request_id))
        return _reply(self._begin() + rest)

    def _rest(self, item: Item) -> bytes:
        if not self._sent:
            return self._writer.whole(item)
        text = str(item.ranked.entries[0][item.ranked.noun])
        if not text.startswith(self._sent):
            raise RuntimeError("a streamed answer changed while it was written")
        return self._writer.end(text[len(self._sent) :], item.answers[0].writing)

    def _begin(self) -> bytes:
        if self.began:
            return b""
        self.began = time.time()
        return self._writer.begin()


class Streams:
    """The streams of a batch."""

    def __init__(self, exchanges: Sequence[Exchange], model: Model, send: Send) -> None:
        """Find the requests that ask for a stream.

        Args:
            exchanges: The requests of the batch.
            model: Answers them.
            send: Sends parts of the replies while the batch is answered.
        """
        self._exchanges = exchanges
        self._model = model
        self._send = send
        self._places = {
            exchange.request.label: place
            for place, exchange in enumerate(exchanges)
            if exchange.items and exchange.items[0].query.stream
        }
        self._streams: dict[int, Stream] = {}

    def watch(self, rows: Sequence[Sequence[Item]]) -> BatchProgress:
        """The progress of a batch of the family; each row is a question, with all items that ask it."""
        streams = [
            {place: self._stream(place, item) for item in items if (place := self._place(item)) is not None}
            for items in rows
        ]
        return BatchProgress(streams, [max(item.deadline for item in items) for items in rows], self._send)

    def reply(self, place: int, exchange: Exchange) -> Reply:
        """The reply to a request with finished items, without what is sent already."""
        if not (exchange.items and exchange.items[0].query.stream):
            return exchange.reply(self._model)
        return self._stream(place, exchange.items[0]).last(exchange, self._model)

    @property
    def first_texts(self) -> Mapping[int, float]:
        """Unix time of the first text of each stream that has begun."""
        return {place: stream.began for place, stream in self._streams.items() if stream.began}

    def _place(self, item: Item) -> int | None:
        return self._places.get(item.request_id)

    def _stream(self, place: int, item: Item) -> Stream:
        if place not in self._streams:
            exchange = self._exchanges[place]
            writer = exchange.protocol.event_writer(exchange.request, item, self._model)
            self._streams[place] = Stream(writer)
        return self._streams[place]


class BatchProgress(Progress):
    """Sends what a family writes to the streams that wait for it, and abandons rows whose deadlines have passed."""

    def __init__(self, streams: Sequence[Mapping[int, Stream]], deadlines: Sequence[float], send: Send) -> None:
        """Watch a batch.

        Args:
            streams: Of each row, by the place of their request.
            deadlines: Of each row, in Unix seconds.
            send: As of ``Streams``.
        """
        self._streams = streams
        self._deadlines = deadlines
        self._send = send
        self._complete: set[int] = set()
        self.cut: frozenset[int] = frozenset()
        """Rows that the family was told to abandon."""

    @property
    def streamed(self) -> frozenset[int]:
        """Rows with a stream."""
        return frozenset(row for row, streams in enumerate(self._streams) if streams)

    @property
    def bounded(self) -> bool:
        """Whether a row has a deadline."""
        return any(math.isfinite(deadline) for deadline in self._deadlines)

    def wrote(self, drafts: Mapping[int, Draft]) -> None:
        """Send the drafts' new texts, all in one go."""
        self._complete |= {row for row, draft in drafts.items() if draft.writing}
        moved = {
            place: part
            for row, draft in drafts.items()
            for place, stream in self._streams[row].items()
            if (part := stream.advance(draft))
        }
        if moved:
            self._send(moved)

    def abandoned(self) -> frozenset[int]:
        """Rows that are not complete and whose deadline has passed."""
        now = time.time()
        late = frozenset(row for row, deadline in enumerate(self._deadlines) if deadline <= now)
        self.cut |= late - self._complete
        return self.cut


def _reply(body: bytes) -> Reply:
    return Reply(body, content_type="text/event-stream; charset=utf-8", headers=_HEADERS)
