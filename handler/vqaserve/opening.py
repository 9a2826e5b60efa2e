"""From a batch's queries to its pictures: fetched where they came as a URL, recalled, or decoded, each once."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from vqaserve.decoding import Budget, Decoder
from vqaserve.errors import VqaError
from vqaserve.metrics import Stopwatch
from vqaserve.remote import Fetcher
from vqaserve.settings import HandlerSettings
from vqaserve.stages import each
from vqaserve.types import Item, Picture, Query, RemoteImage, Squeeze

log = logging.getLogger(__name__)

Recall = Callable[[Item], Item]
"""An item with its picture's digest -> with its answers or the picture's features, where they are remembered."""


class Opener:
    """Opens the pictures of batches, within the limits of each request."""

    def __init__(
        self,
        settings: HandlerSettings,
        squeeze: Squeeze | None,
        recall: Recall,
        stopwatch: Stopwatch,
        seconds: float,
    ) -> None:
        """Its decoding process starts at once.

        Args:
            settings: The limits, and where pictures may be fetched from.
            squeeze: As of ``images.open_picture``.
            recall: What is remembered is not opened.
            stopwatch: Is told of the stage ``open``.
            seconds: After which no more pictures of a batch are opened, and their questions get a 503.
        """
        self._limits = settings.limits
        self._recall = recall
        self._stopwatch = stopwatch
        self._seconds = seconds
        self._decoder = Decoder(settings.limits, squeeze)
        self._fetcher = Fetcher(settings.remote_images, settings.limits.max_image_bytes)

    def open(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Every item with its picture, or what is remembered of it, or an error; in order.

        They come together, unless their pixels are too many to be held at once: then whole requests at a time.
        """
        with self._stopwatch("open"):
            batch = self._gather(items)
        group: list[Item] = []
        for _, asked in groupby(items, key=lambda item: item.request_id):
            with self._stopwatch("open"):
                group += each(lambda item: self._open(item, batch), list(asked))
            if sum(_pixels(picture) for picture in batch.opened.values()) > self._limits.max_request_pixels:
                yield group
                group = []
                batch.opened.clear()
        yield group

    def _gather(self, items: Sequence[Item]) -> _Batch:
        deadline = time.monotonic() + self._seconds
        images = [(item.request_id, item.query.image) for item in items if item.error is None and item.query]
        fetched = self._fetcher.fetch((label, image.url) for label, image in images if isinstance(image, RemoteImage))
        files = (*(image for _, image in images), *fetched.values())
        digests = {data: digest_of(data) for data in files if isinstance(data, bytes)}
        return _Batch(fetched, digests, defaultdict(lambda: Budget.of(self._limits, deadline)))

    def _open(self, item: Item, batch: _Batch) -> Item:
        assert item.query is not None
        data, request = batch.file(item, item.query), item.request_id
        digest = batch.digests[data]
        item = self._recall(replace(item, picture=Picture(digest)))
        if item.answers or (item.picture and item.picture.features is not None):
            return item
        if digest not in batch.opened:
            if (request, digest) in batch.refused:
                raise batch.refused[request, digest]
            try:
                opened = self._decoder.decode(data, batch.left[request])
                batch.opened[digest] = Picture(digest, opened.pixels, warnings=opened.warnings)
            except VqaError as error:
                batch.refused[request, digest] = error
                raise
        return replace(item, picture=batch.opened[digest])


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is known of a batch's files while its pictures are opened.

    Attributes:
        fetched: By request and URL: the file, or why there is none.
        digests: Of each file.
        left: Of each request's limits.
        opened: By digest; a file that recurs is opened once.
        refused: By request too, since one request's limit is not another's.
    """

    fetched: Mapping[tuple[str, str], bytes | VqaError]
    digests: Mapping[bytes, str]
    left: Mapping[str, Budget]
    opened: dict[str, Picture] = field(default_factory=dict)
    refused: dict[tuple[str, str], VqaError] = field(default_factory=dict)

    def file(self, item: Item, query: Query) -> bytes:
        """An item's picture file.

        Raises:
            VqaError: It could not be fetched.
        """
        if not isinstance(query.image, RemoteImage):
            return query.image
        data = self.fetched[item.request_id, query.image.url]
        if isinstance(data, VqaError):
            if data.__cause__:
                log.info("request %s: a picture's URL could not be fetched: %r", item.request_id, data.__cause__)
            raise data
        return data


def digest_of(data: bytes) -> str:
    """A picture file's identity."""
    return hashlib.sha256(data).hexdigest()


def _pixels(picture: Picture) -> int:
    return picture.pixels.width * picture.pixels.height if picture.pixels else 0
