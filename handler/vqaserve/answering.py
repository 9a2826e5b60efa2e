"""From prepared items to answers: what is known is recalled, the rest computed, and nothing of it twice."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqaserve.cache import Cache
from vqaserve.families.base import Family
from vqaserve.features import FeatureCache
from vqaserve.metrics import Stopwatch
from vqaserve.settings import CacheLimits
from vqaserve.stages import translated
from vqaserve.types import Answer, Item, Picture, Query

log = logging.getLogger(__name__)


class Answerer:
    """A family, and what it has lately seen and said.

    Features of a picture are kept by the hash of its file, so that the next question about it costs only the
    small half; answers are kept by picture, question and parameters. Answers are this worker's own, features may be
    shared with the other workers of the version.
    """

    def __init__(
        self,
        family: Family[Any, Any],
        limits: CacheLimits,
        stopwatch: Stopwatch,
        shared: Path | None = None,
    ) -> None:
        self._family = family
        self._stopwatch = stopwatch
        self._features = FeatureCache(family, limits, shared)
        # Each with the warnings of its picture, which are part of every reply about it.
        self._answers: Cache[tuple[tuple[Answer, ...], tuple[str, ...]]] = Cache(limits.answers)

    def recall(self, item: Item) -> Item:
        """The item with its answers if they are known, or with the picture's features if those are."""
        picture = _picture(item)
        if known := self._answers.get(_key(item)):
            answers, warnings = known
            return replace(item, answers=answers, picture=replace(picture, warnings=warnings), recalled="answers")
        picture = self._features.recall(picture)
        return replace(item, picture=picture, recalled="" if picture.features is None else "features")

    def answer(self, items: Sequence[Item]) -> list[Item]:
        """Every item with answers or an error; the same question about the same picture is computed once."""
        waiting: dict[Hashable, Item] = {}
        for item in items:
            if not (item.error or item.answers):
                waiting.setdefault(_key(item), item)
        done = dict(zip(waiting, self._compute(list(waiting.values()), {}), strict=True))
        for key, item in done.items():
            if item.error is None:
                self._answers.put(key, (item.answers, _picture(item).warnings))
        return [item if item.error or item.answers else _settled(item, done[_key(item)]) for item in items]

    @property
    def counters(self) -> dict[str, dict[str, int]]:
        """Hits, misses, size and limit of both caches; features are in bytes."""
        return {"features": self._features.counters, "answers": self._answers.counters}

    def _compute(self, items: Sequence[Item], seen: dict[str, Any]) -> list[Item]:
        """Run the family; a batch that fails is halved until the item at fault stands alone."""
        if not items:
            return []
        try:
            return self._run_family(items, seen)
        except Exception as error:  # noqa: BLE001 - the rim: translated and logged
            if len(items) == 1:
                return [replace(items[0], error=translated(error, items[0].request_id))]
            requests = ", ".join(dict.fromkeys(item.request_id for item in items))
            log.warning("a batch of %d failed (%s); trying its halves; requests %s", len(items), error, requests)
        middle = len(items) // 2
        return self._compute(items[:middle], seen) + self._compute(items[middle:], seen)

    def _run_family(self, items: Sequence[Item], seen: dict[str, Any]) -> list[Item]:
        with self._stopwatch("encode"):
            self._encode([_picture(item) for item in items], seen)
        queries = [_query(item) for item in items]
        with self._stopwatch("forward"):
            outputs = self._family.forward([seen[_picture(item).digest] for item in items], queries)
        with self._stopwatch("decode"):
            answers = self._family.decode(outputs, queries)
        return [replace(item, answers=ranked) for item, ranked in zip(items, answers, strict=True)]

    def _encode(self, pictures: Sequence[Picture], seen: dict[str, Any]) -> None:
        """Fill in the features of pictures that this batch has not seen; each picture once."""
        seen.update({picture.digest: picture.features for picture in pictures if picture.features is not None})
        new = {picture.digest: picture for picture in pictures if picture.digest not in seen}
        encoded = self._family.encode([picture.pixels for picture in new.values() if picture.pixels is not None])
        for (digest, picture), features in zip(new.items(), encoded, strict=True):
            seen[digest] = features
            self._features.keep(picture, features)


def _settled(item: Item, computed: Item) -> Item:
    return replace(item, answers=computed.answers, error=computed.error)


def _key(item: Item) -> Hashable:
    query = _query(item)
    return _picture(item).digest, query.question, query.top_k, tuple(sorted(query.parameters.items()))


def _query(item: Item) -> Query:
    assert item.query is not None
    return item.query


def _picture(item: Item) -> Picture:
    assert item.picture is not None
    return item.picture
