"""The stages that know the model: recall what is cached, compute the rest, and compute nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqaserve.cache import Cache
from vqaserve.deadline import late_error
from vqaserve.families.base import Family
from vqaserve.features import FeatureCache
from vqaserve.metrics import Stopwatch
from vqaserve.pictures import Picture
from vqaserve.settings import CacheLimits
from vqaserve.stages import run_stage, to_vqa_error
from vqaserve.streams import BatchProgress
from vqaserve.types import Answer, Item
from vqaserve.writing import PartialProgress

log = logging.getLogger(__name__)

Watch = Callable[[Sequence[Sequence[Item]]], BatchProgress]


class Answerer:
    """A model family with two caches: features by picture, and answers by picture, question and parameters.

    With cached features, a new question about a picture skips the image encoder. Each worker caches its own answers;
    features may be shared by the workers of a version.
    """

    def __init__(
        self,
        family: Family[Any, Any],
        limits: CacheLimits,
        stopwatch: Stopwatch,
        shared: Path | None = None,
    ) -> None:
        """Start with empty caches, or with the features that other workers have shared.

        Args:
            family: Computes the answers.
            limits: The sizes of the caches.
            stopwatch: Measures the stages ``encode``, ``forward`` and ``decode``.
            shared: The folder of shared features.
        """
        self._family = family
        self._stopwatch = stopwatch
        self._features = FeatureCache(family, limits, shared)
        # With the warnings of each picture, which are part of every reply about it.
        self._answers: Cache[tuple[tuple[Answer, ...], tuple[tuple[str, ...], ...]]] = Cache(limits.answers)

    def recall(self, item: Item) -> Item:
        """Return the item with its answers if they are cached, else with its picture's features if those are."""
        if cached := self._answers.get(_key(item)):
            answers, warnings = cached
            pictures = [replace(one, warnings=known) for one, known in zip(item.pictures, warnings, strict=True)]
            return replace(item.with_pictures(pictures), answers=answers, recalled="answers")
        pictures = [self._features.recall(picture) for picture in item.pictures]
        if not any(picture.features is not None for picture in pictures):
            return item
        is_known = all(picture.features is not None for picture in pictures)
        return replace(item.with_pictures(pictures), recalled="features" if is_known else "")

    def answer(self, items: Sequence[Item], watch: Watch) -> list[Item]:
        """Return every item with answers or an error; equal questions about one picture are computed once.

        Args:
            items: Of one group of the batch.
            watch: Makes the progress that follows rows of the family, each with the items that ask its question.
        """
        keys = [_key(item) if _is_waiting(item) else None for item in items]
        waiting: dict[Hashable, list[Item]] = {}
        for item, key in zip(items, keys, strict=True):
            if key is not None:
                waiting.setdefault(key, []).append(item)
        computed = dict(zip(waiting, self._compute(list(waiting.values()), {}, watch), strict=True))
        for key, item in computed.items():
            if item.error is None:
                self._answers.put(key, (item.answers, tuple(picture.warnings for picture in item.pictures)))
        return [
            item if key is None else _with_result(item, computed[key]) for item, key in zip(items, keys, strict=True)
        ]

    @property
    def counters(self) -> dict[str, Mapping[str, int]]:
        """Hits, misses, size and limit of each cache: entries of ``answers`` and ``labels``, bytes of the others."""
        return {"features": self._features.counters, "answers": self._answers.counters, **self._family.caches}

    def _compute(self, rows: Sequence[Sequence[Item]], encoded: dict[str, Any], watch: Watch) -> list[Item]:
        """Run the family. A batch that fails is halved and tried again until the failing item is alone."""
        if not rows:
            return []
        items, progress = [row[0] for row in rows], watch(rows)
        try:
            return self._run_family(items, encoded, progress)
        except Exception as error:  # noqa: BLE001 - one item's error must not fail the batch
            if len(items) == 1:
                return [replace(items[0], error=to_vqa_error(error, items[0].request_id))]
            requests = ", ".join(dict.fromkeys(item.request_id for item in items))
            log.warning("a batch of %d failed (%s); trying its halves; requests %s", len(items), error, requests)
        middle = len(items) // 2
        return self._compute(rows[:middle], encoded, watch) + self._compute(rows[middle:], encoded, watch)

    def _run_family(self, items: Sequence[Item], encoded: dict[str, Any], progress: BatchProgress) -> list[Item]:
        with self._stopwatch("encode"):
            self._encode([picture for item in items for picture in item.pictures], encoded)
            joined = [self._family.join([encoded[picture.digest] for picture in item.pictures]) for item in items]
            features = dict(zip(map(id, items), joined, strict=True))
            examined = run_stage(lambda item: self._examine(item, features[id(item)]), items)
        fitting = [row for row, item in enumerate(examined) if item.error is None]
        queries = [items[row].query for row in fitting]
        with self._stopwatch("forward"):
            fitted, heard = [features[id(items[row])] for row in fitting], PartialProgress(progress, fitting)
            outputs = self._family.write(fitted, queries, heard) if fitting else None
        with self._stopwatch("decode"):
            answers = dict(zip(fitting, self._family.decode(outputs, queries) if fitting else (), strict=True))
        return [
            replace(item, error=late_error()) if row in progress.cut else replace(item, answers=answers.get(row, ()))
            for row, item in enumerate(examined)
        ]

    def _examine(self, item: Item, features: Any) -> Item:
        self._family.examine(features, item.query)
        return item

    def _encode(self, pictures: Sequence[Picture], encoded: dict[str, Any]) -> None:
        """Add the features of the pictures to ``encoded``, by digest; a picture that is there is not encoded again."""
        encoded.update({picture.digest: picture.features for picture in pictures if picture.features is not None})
        new = {picture.digest: picture for picture in pictures if picture.digest not in encoded}
        features = self._family.encode([picture.pixels for picture in new.values() if picture.pixels is not None])
        for picture, feature in zip(new.values(), features, strict=True):
            encoded[picture.digest] = feature
            self._features.keep(picture, feature)


def _is_waiting(item: Item) -> bool:
    return not (item.error or item.answers)


def _with_result(item: Item, computed: Item) -> Item:
    return replace(item, answers=computed.answers, error=computed.error)


def _key(item: Item) -> Hashable:
    query = item.query
    asked = query.question, query.conversation, query.labels, query.hypothesis_template
    answered = query.top_k, query.choices, query.stop, tuple(sorted(query.parameters.items()))
    return tuple(picture.digest for picture in item.pictures), asked, answered
