"""The stage that decodes the pictures of a batch, each file once, within the limits of its request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from vqaserve.decoding import Budget, Decoder
from vqaserve.errors import VqaError
from vqaserve.metrics import Stopwatch
from vqaserve.pictures import Picture, PictureLimits, Squeeze
from vqaserve.stages import run_stage
from vqaserve.types import Item


class Opener:
    """Decodes pictures in a process of its own, which starts with this object."""

    def __init__(self, limits: PictureLimits, squeeze: Squeeze | None, stopwatch: Stopwatch) -> None:
        """Start the decoding process.

        Args:
            limits: The limits of each request.
            squeeze: The resizing that the family does to every picture, if any; see ``images.open_picture``.
            stopwatch: Measures the stage ``open``.
        """
        self._limits = limits
        self._decoder = Decoder(limits, squeeze)
        self._stopwatch = stopwatch

    def open(self, requests: Iterable[Sequence[Item]], deadline: float) -> Iterator[list[Item]]:
        """Yield the items with decoded pictures or errors, in order.

        All items come in one group unless their pixels exceed ``max_request_pixels``, the most that a worker should
        hold: then a group ends after the request that exceeds it, and its pixels are free before the next is decoded.

        Args:
            requests: The items of each request. Items with answers or with features need no pixels and pass.
            deadline: On the monotonic clock; afterwards no picture is decoded, and its items fail with ``Overloaded``.
        """
        pictures = _BatchPictures(self._decoder, self._limits, deadline)
        group: list[Item] = []
        for items in requests:
            with self._stopwatch("open"):
                group += run_stage(pictures.open, items)
            if pictures.pixels > self._limits.max_request_pixels:
                yield group
                group = []
                pictures.clear()
        yield group


class _BatchPictures:
    """The pictures of a batch that are decoded so far, and what is left of each request's limits."""

    def __init__(self, decoder: Decoder, limits: PictureLimits, deadline: float) -> None:
        self._decoder = decoder
        self._budgets: dict[str, Budget] = defaultdict(lambda: Budget.of(limits, deadline))
        self._opened: dict[str, Picture] = {}
        self._refused: dict[tuple[str, str], VqaError] = {}  # by request too: each has limits of its own

    @property
    def pixels(self) -> int:
        """Pixels held."""
        return sum(picture.pixels.width * picture.pixels.height for picture in self._opened.values() if picture.pixels)

    def clear(self) -> None:
        """Forget the decoded pictures."""
        self._opened.clear()

    def open(self, item: Item) -> Item:
        """Return the item with those of its pictures decoded that it needs the pixels of.

        Raises:
            VqaError: The file cannot be decoded within the request's limits.
        """
        if item.answers:
            return item
        return item.with_pictures([self._open(picture, item.request_id) for picture in item.pictures])

    def _open(self, picture: Picture, request: str) -> Picture:
        if picture.features is not None:
            return picture
        if picture.digest not in self._opened:
            self._opened[picture.digest] = self._decode(picture, request)
        return self._opened[picture.digest]

    def _decode(self, picture: Picture, request: str) -> Picture:
        if (request, picture.digest) in self._refused:
            raise self._refused[request, picture.digest]
        try:
            opened = self._decoder.decode(picture.data, self._budgets[request])
        except VqaError as error:
            self._refused[request, picture.digest] = error
            raise
        return replace(picture, pixels=opened.pixels, aspect=opened.aspect, warnings=opened.warnings)
