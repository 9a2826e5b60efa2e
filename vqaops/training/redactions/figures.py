"""How good a ``redactions`` model is on examples: pages, boxes, areas, and each kind of drawing alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw
from rich.progress import track

from vqaops.training.redactions.calibration import to_box
from vqaops.training.redactions.canvas import Mark
from vqaops.training.redactions.examples import Source
from vqaops.training.redactions.matching import average_precision, match
from vqaops.training.redactions.samples import Sample
from vqaserve.documents.boxes import Box
from vqaserve.families.redactions import Redactions
from vqaserve.families.redactions.family import Found

CONFIDENT = 0.5
"""A page is called redacted, and a box counts in the tables of kinds, from this confidence on."""


@dataclass(slots=True)
class Figures:
    """Figures over examples; ``add`` counts one more.

    Attributes:
        pages: Examples by (is redacted, was called redacted).
        area_errors: Of each example, the difference between the covered share that was found and the true one, in
            points of the page.
        seconds: CPU time of each example.
        by_kind: For each style of redaction, how many were drawn and how many of them were found.
        alarms: For each kind of distractor, how many were drawn and on how many of them a box was found.
    """

    pages: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    area_errors: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    by_kind: dict[str, list[int]] = field(default_factory=dict)
    alarms: dict[str, list[int]] = field(default_factory=dict)
    _boxes: list[tuple[float, bool]] = field(default_factory=list)
    _true: int = 0

    @property
    def page_f1(self) -> float:
        """F1 of the pages that were called redacted."""
        right = self.pages[True, True]
        return 2 * right / max(1, 2 * right + self.pages[False, True] + self.pages[True, False])

    @property
    def box_ap50(self) -> float:
        """Average precision of the boxes at an intersection over union of 0.5."""
        return average_precision([one for one, _ in self._boxes], [right for _, right in self._boxes], self._true)

    @property
    def area_error(self) -> float:
        """The mean error of the covered share, in points of the page."""
        return float(np.mean(self.area_errors))

    def add(self, sample: Sample, found: Found, seconds: float) -> None:
        """Count one example, for which ``seconds`` of CPU time were needed."""
        self.seconds.append(seconds)
        true = [to_box(mark, sample.page.shape) for mark in sample.redactions]
        self.pages[bool(true), found.confidence >= CONFIDENT] += 1
        confident = [box for box in found.boxes if box.confidence >= CONFIDENT]
        share = covered(confident, (sample.page.shape[1], sample.page.shape[0]))
        self.area_errors.append(100 * abs(share - float(sample.truth.mean()) / 255))
        matched = match(found.boxes, true)
        self._boxes += [(box.confidence, one is not None) for box, one in zip(found.boxes, matched, strict=True)]
        self._true += len(true)
        seen = {one for box, one in zip(found.boxes, matched, strict=True) if box.confidence >= CONFIDENT}
        for number, mark in enumerate(sample.redactions):
            _count(self.by_kind, mark.kind, number in seen)
        wrong = [box for box, one in zip(found.boxes, matched, strict=True) if one is None and box in confident]
        for mark in sample.distractors:
            _count(self.alarms, mark.kind, _is_on(wrong, mark, sample))


def measure(family: Redactions, source: Source, count: int) -> tuple[Figures, Figures, Figures]:
    """Measure on examples.

    Returns:
        The figures over all examples, over printed pages, and over scans.
    """
    whole, printed, scanned = Figures(), Figures(), Figures()
    for number in track(range(count), "measuring", transient=True):
        sample = source.draw(number)
        page, start = Image.fromarray(sample.page), time.process_time()
        found = family.find(page)
        seconds = time.process_time() - start
        whole.add(sample, found, seconds)
        (scanned if sample.scanned else printed).add(sample, found, seconds)
    return whole, printed, scanned


def covered(boxes: Sequence[Box], size: tuple[int, int]) -> float:
    """The share of a page of this width and height that boxes cover together."""
    mask = Image.new("1", size)
    pen, (width, height) = ImageDraw.Draw(mask), size
    for box in boxes:
        pen.rectangle(
            (box.left * width, box.top * height, box.right * width - 1, box.bottom * height - 1),
            fill=1,
        )
    return float(np.asarray(mask).mean())


def _count(table: dict[str, list[int]], kind: str, hit: bool) -> None:
    row = table.setdefault(kind, [0, 0])
    row[0] += 1
    row[1] += hit


def _is_on(boxes: Sequence[Box], mark: Mark, sample: Sample) -> bool:
    """Whether the middle of a box is on a mark."""
    place = to_box(mark, sample.page.shape)
    return any(
        place.left <= (box.left + box.right) / 2 <= place.right
        and place.top <= (box.top + box.bottom) / 2 <= place.bottom
        for box in boxes
    )
