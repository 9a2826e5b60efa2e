"""The stage that says what an answer rests on.

A family with an exact method of its own (``Family.attribute``) is asked for it. Otherwise the model answers again with
one part of what it saw hidden. This is occlusion (Zeiler and Fergus, "Visualizing and Understanding Convolutional
Networks", 2014), in both directions: the weight of a part is what the answer's score loses without it, plus what it
gains from that part alone. The loss is zero where the rest of an object is enough for the answer, and the gain is zero
where one part is not (as deletion and insertion in Petsiuk et al., "RISE", 2018). It needs nothing of a family but
answers. A family whose features are a grid hides cells of it instead of pixels, so that the picture is encoded once.
Words are left out one at a time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any

from PIL import Image

from vqaserve.attribution import Attribution, unknown_answer
from vqaserve.deadline import late_error
from vqaserve.errors import Overloaded
from vqaserve.families.base import Family
from vqaserve.heat_map import draw_heat_map
from vqaserve.hiding import hidden_pixels, parts_of, without_words
from vqaserve.metrics import Stopwatch
from vqaserve.settings import Explain
from vqaserve.stages import run_stage
from vqaserve.types import Explanation, Item, Query

_TOGETHER = 8
"""Copies in one forward pass. Between passes the time is checked."""

_ALL = 10_000
"""More answers than a classifier has: the score of an answer is wanted whatever its rank."""

_DIGITS = 4


class Explainer:
    """Explains answers with a model family."""

    def __init__(self, family: Family[Any, Any], settings: Explain, seconds: float, stopwatch: Stopwatch) -> None:
        """Keep what explanations may cost.

        Args:
            family: The model.
            settings: The method, and the parts of a picture and words of a question at most.
            seconds: Wall-clock time for the explanations of one group of a batch.
            stopwatch: Measures the stage ``explain``.
        """
        self._family = family
        self._samples = settings.samples
        self._is_exact = settings.method == "auto"
        self._seconds = seconds
        self._stopwatch = stopwatch

    def explain(self, items: Sequence[Item]) -> list[Item]:
        """Return the items, and those that ask for it with an explanation or an error.

        Args:
            items: With answers, and those to explain with the pixels of their pictures.
        """
        deadline = time.time() + self._seconds
        return run_stage(lambda item: self._explain(item, deadline) if item.query.explain else item, items)

    def _explain(self, item: Item, deadline: float) -> Item:
        with self._stopwatch("explain"):
            scorer = _Scorer(self._family, item, deadline)
            *earlier, picture = [one.pixels for one in item.pictures if one.pixels]
            *before, features = self._family.encode([*earlier, picture])
            found = self._attributed(scorer, item.query, self._family.join([*before, features]))
            if found is None:
                found = self._occluded(scorer, item.query, before, picture, features)
            columns = len(found.grid[0])
            grid = _rows(_weights([weight for row in found.grid for weight in row]), columns)
            drawing = draw_heat_map(picture, grid, item.picture.aspect) if item.query.explain == "png" else b""
            by_word = tuple(zip(item.query.question.split(), _weights(found.words), strict=False))
            return replace(item, explanation=Explanation(scorer.answer, found.score, grid, by_word, drawing))

    def _attributed(self, scorer: _Scorer, query: Query, whole: Any) -> Attribution | None:
        """What the family says itself, if it does and may."""
        if not self._is_exact:
            return None
        scorer.check_time()
        return self._family.attribute(whole, query, scorer.answer)

    def _occluded(
        self, scorer: _Scorer, query: Query, before: Sequence[Any], picture: Image.Image, features: Any
    ) -> Attribution:
        """What the score loses without each part, plus what it gains from that part alone."""
        whole = self._family.join([*before, features])
        [score] = scorer.score([(whole, query)])
        if not scorer.is_known:
            raise unknown_answer(scorer.answer)
        copies = (self._family.join([*before, copy]) for copy in self._copies(picture, features))
        nothing, *found = scorer.score((copy, query) for copy in copies)
        gains = [score - without + alone - nothing for without, alone in zip(found[::2], found[1::2], strict=True)]
        words = query.question.split()[: self._samples] if not query.conversation else []
        losses = [score - one for one in scorer.score((whole, one) for one in without_words(query, words))]
        return Attribution(score, _rows(gains, self._shape(picture)[1]), losses)

    def _shape(self, picture: Image.Image) -> tuple[int, int]:
        """Rows and columns of parts, as square as the samples and the grid allow."""
        height, width = self._family.grid or (picture.height, picture.width)
        rows = min(max(1, round(math.sqrt(self._samples * height / width))), height, self._samples)
        return rows, min(self._samples // rows, width)

    def _copies(self, picture: Image.Image, features: Any) -> Iterator[Any]:
        """The features of nothing, and for each part those of the picture without it and those of the part alone."""
        rows, columns = self._shape(picture)
        if grid := self._family.grid:
            cells = frozenset(range(grid[0] * grid[1]))
            yield self._family.hide(features, sorted(cells))
            for left, top, right, bottom in parts_of(grid, rows, columns):
                inside = {row * grid[1] + column for row, column in product(range(top, bottom), range(left, right))}
                yield self._family.hide(features, sorted(inside))
                yield self._family.hide(features, sorted(cells - inside))
            return
        pictures = hidden_pixels(picture, list(parts_of((picture.height, picture.width), rows, columns)))
        while some := list(islice(pictures, _TOGETHER)):
            yield from self._family.encode(some)


class _Scorer:
    """Scores one answer again and again, until the time is up."""

    def __init__(self, family: Family[Any, Any], item: Item, deadline: float) -> None:
        self._family = family
        self._item = item
        self._deadline = deadline
        self.answer = item.query.answer or item.answers[0].answer
        self.is_known = False
        """Whether the model has given the answer any score."""

    def score(self, asked: Iterable[tuple[Any, Query]]) -> list[float]:
        """The answer's score for each pair of features and query.

        Raises:
            DeadlineExceeded: The client does not wait any longer.
            Overloaded: The explanations of this batch have taken too long.
        """
        scores: list[float] = []
        together: list[tuple[Any, Query]] = []
        for one in asked:
            together.append(one)
            if len(together) == _TOGETHER:
                scores += self._forward(together)
                together = []
        return scores + (self._forward(together) if together else [])

    def _forward(self, asked: Sequence[tuple[Any, Query]]) -> list[float]:
        self.check_time()
        top_k = self._item.query.top_k if self._family.writes else _ALL
        queries = [replace(query, top_k=top_k) for _, query in asked]
        ranked = self._family.decode(self._family.forward([features for features, _ in asked], queries), queries)
        found = [next((one.score for one in answers if one.answer == self.answer), None) for answers in ranked]
        self.is_known = self.is_known or any(score is not None for score in found)
        return [score or 0.0 for score in found]

    def check_time(self) -> None:
        """Refuse to go on when the time is up.

        Raises:
            DeadlineExceeded: The client does not wait any longer.
            Overloaded: The explanations of this batch have taken too long.
        """
        now = time.time()
        if now >= self._item.deadline:
            raise late_error()
        if now >= self._deadline:
            raise Overloaded("the server is too busy to explain this answer now; ask again later")


def _weights(gains: Sequence[float]) -> list[float]:
    """Gains as shares of the largest; what lowers the score has none."""
    most = max(gains, default=0.0)
    return [round(max(gain, 0.0) / most, _DIGITS) if most > 0 else 0.0 for gain in gains]


def _rows(weights: Sequence[float], columns: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(weights[start : start + columns]) for start in range(0, len(weights), columns))
