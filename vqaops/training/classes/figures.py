"""How often a classifier is right, class by class, measured on pictures that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, new
from rich.progress import track

from vqaops.training.classes.alone import workers
from vqaops.training.classes.pictures import LabelledPicture
from vqaops.training.pretrained import open_pixels
from vqaserve.types import Answer, Query


class Classifier(Protocol):
    """The interface that the figures use of a family."""

    runtime: str

    @property
    def labels(self) -> Sequence[str]:
        """The classes."""

    @property
    def abstains(self) -> bool:
        """Whether a picture that is unlike all classes is marked."""

    def encode(self, pictures: Sequence[Image]) -> Sequence[Any]:
        """See ``Family``."""

    def forward(self, features: Sequence[Any], queries: Sequence[Query]) -> Any:
        """See ``Family``."""

    def decode(self, outputs: Any, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """See ``Family``."""


@dataclass(frozen=True)
class Figures:
    """What a classifier answered to labelled pictures.

    Attributes:
        labels: The classes.
        confusion: Pictures by true class and by answer [classes, classes].
        abstained: Pictures that were marked as unlike all classes, whatever the answer; None if none can be.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    abstained: int | None = None

    @property
    def pictures(self) -> int:
        """The number of pictures."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """The number of pictures whose class was found."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        """The share of pictures whose class was found."""
        return self.right / max(1, self.pictures)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy (Wilson 1927)."""
        from scipy.stats import binomtest  # takes 0.6 s to import, and few commands need it

        interval = binomtest(self.right, max(1, self.pictures)).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    def of_class(self, row: int) -> tuple[float, float, float]:
        """Precision, recall and F1 of a class; a class that was never answered has precision 0."""
        found = int(self.confusion[row, row])
        precision = found / max(1, int(self.confusion[:, row].sum()))
        recall = found / max(1, int(self.confusion[row].sum()))
        return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def measure(family: Classifier, pictures: Sequence[LabelledPicture]) -> Figures:
    """Classify pictures as the server does.

    Raises:
        RecipeError: A picture cannot be read.
    """
    labels = tuple(family.labels)
    row = {label: number for number, label in enumerate(labels)}
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    answers = classify(family, [picture.path for picture in pictures])
    for picture, answer in zip(pictures, answers, strict=True):
        confusion[row[picture.label], row[answer.answer]] += 1
    abstained = sum(answer.abstained for answer in answers) if family.abstains else None
    return Figures(labels, confusion, abstained)


def classify(family: Classifier, files: Sequence[Path]) -> list[Answer]:
    """The best answer to each picture file, as the server would give it.

    Raises:
        RecipeError: A picture cannot be read.
    """
    # A graph of OpenVINO computes one picture at a time. The first call of torch packs weights.
    turn = Lock() if family.runtime == "openvino" else nullcontext()
    family.encode([new("RGB", (64, 64))])

    def classified(file: Path) -> Answer:
        picture = open_pixels(file)
        with turn:
            features = family.encode([picture])
        [[best]] = family.decode(family.forward(features, []), [Query(b"", top_k=1)])
        return best

    with workers() as pool:
        return list(track(pool.map(classified, files), "testing", total=len(files), transient=True))


def draw_confusion(path: Path, figures: Figures) -> None:
    """Draw the confusion matrix with the number of pictures in each cell."""
    from matplotlib.figure import Figure  # not pyplot, which needs a display

    count = len(figures.labels)
    side = min(12.0, 2.5 + 0.45 * count)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = figures.confusion / np.maximum(1, figures.confusion.sum(1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="answer", ylabel="class", xticks=range(count), yticks=range(count))
    axes.set_xticklabels(figures.labels, rotation=90)
    axes.set_yticklabels(figures.labels)
    for row, column in zip(*np.nonzero(figures.confusion), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(figures.confusion[row, column]), ha="center", va="center", color=colour)
    figure.savefig(path, dpi=100)
