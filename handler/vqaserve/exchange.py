"""One request and its reply, in the wire format that the client speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vqaserve.deadline import read_deadline
from vqaserve.documents.limits import DocumentBudget
from vqaserve.errors import BadRequest, VqaError
from vqaserve.protocols import find_protocol
from vqaserve.protocols.base import Protocol
from vqaserve.protocols.body import read_body
from vqaserve.settings import HandlerSettings
from vqaserve.stages import to_vqa_error
from vqaserve.tasks.base import Task
from vqaserve.types import Item, Model, Query, Reply, Request

_LARGEST_REPLY = 4_000_000
"""Bytes. TorchServe kills a worker whose reply to one request is over max_response_size (config.properties)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, its protocol, and its items or the error that refuses the whole request."""

    request: Request
    protocol: Protocol
    items: tuple[Item, ...] = ()
    refused: VqaError | None = None

    @classmethod
    def parse(cls, request: Request, settings: HandlerSettings) -> Exchange:
        """Read a request into one item for each question; an error is kept, not raised."""
        try:
            deadline = read_deadline(request.headers)
            request = read_body(request)
        except Exception as error:  # noqa: BLE001 - errors of a request are translated and logged here
            return cls(_without_body(request), find_protocol(request), refused=to_vqa_error(error, request.label))
        protocol = find_protocol(request)
        try:
            entries = protocol.parse(request, settings)
        except Exception as error:  # noqa: BLE001 - errors of a request are translated and logged here
            return cls(_without_body(request), protocol, refused=to_vqa_error(error, request.label))
        return cls(request, protocol, tuple(_item(request.label, entry, deadline) for entry in entries))

    def split(self, task: Task, deadline: float) -> Exchange:
        """Return the exchange with an item for each page of its documents; without documents, as it is.

        A document that cannot be read is one item with an error.

        Args:
            task: Reads documents, or not.
            deadline: On the monotonic clock; afterwards no document is read.
        """
        budget = DocumentBudget(task.settings.limits.max_document_seconds, deadline)
        return replace(self, items=tuple(page for item in self.items for page in self._pages(item, task, budget)))

    def _pages(self, item: Item, task: Task, budget: DocumentBudget) -> Sequence[Item]:
        if item.error:
            return [item]
        try:
            queries = task.split(item.query, budget)
            if len(queries) > 1 and not self.protocol.replies_to_documents:
                raise BadRequest(
                    "this format has no reply for several pages; send the document as a form (curl -F image=@file.pdf)"
                )
        except Exception as error:  # noqa: BLE001 - one document's error must not fail the others
            return [replace(item, error=to_vqa_error(error, item.request_id))]
        return [item.with_query(query) for query in queries]

    def take(self, items: Iterator[Item]) -> Exchange:
        """Return the exchange with as many finished items as it has, taken from those of the whole batch."""
        return replace(self, items=tuple(next(items) for _ in self.items))

    def reply(self, model: Model) -> Reply:
        """Encode the finished items, or the error."""
        if self.refused:
            return self.protocol.refuse(self.refused)
        try:
            reply = self.protocol.reply(self.request, self.items, model)
            if len(reply.body) > _LARGEST_REPLY:
                raise RuntimeError(f"the reply has {len(reply.body):,} bytes; at most {_LARGEST_REPLY:,} are allowed")
            return reply
        except Exception as error:  # noqa: BLE001 - for example a score that is not a number
            return self.protocol.refuse(to_vqa_error(error, self.request.label))

    def outcome(self, reply: Reply) -> str:
        """Return ``ok``, or the ``type`` of the error in the reply's body or in its stream."""
        streamed = bool(self.items) and self.items[0].query.stream
        errors = (self.refused, *(item.error for item in self.items))
        if reply.status < 400 and not (streamed and any(errors)):
            return "ok"
        error = next((error for error in errors if error), None)
        # Without one, it came up while the reply was worded, and only the reply has it.
        return type(error).__name__ if error else str(json.loads(reply.body)["type"])

    @property
    def logged_items(self) -> Sequence[Item]:
        """The items that the prediction log lists: a refused request counts as one, a list of models as none."""
        return [Item(self.request.label, error=self.refused)] if self.refused else self.items


def _without_body(request: Request) -> Request:
    """Return a refused request without its fields, which may hold megabytes until the batch is answered."""
    return replace(request, fields={})


def _item(request_id: str, entry: Query | VqaError, deadline: float) -> Item:
    if isinstance(entry, VqaError):
        return Item(request_id, error=entry)
    return Item(request_id, entry, deadline=deadline)
