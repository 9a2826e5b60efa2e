"""The class that loads a ``redactions`` model and finds redactions on pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vqaserve.documents.boxes import Box
from vqaserve.families.backbones.fusing import fuse
from vqaserve.families.base import Family
from vqaserve.families.device import prepare_device
from vqaserve.families.options import Options, read_options
from vqaserve.families.precision import load_at_precision
from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.judge import describe, look_at, mirrored, to_tensor
from vqaserve.families.redactions.network import CELL, Networks
from vqaserve.families.redactions.outlines import Outline, find_outlines
from vqaserve.families.redactions.preparation import scaled_size, to_ink
from vqaserve.families.redactions.rectangles import add_rectangles, best_of
from vqaserve.families.redactions.skew import Upright
from vqaserve.families.weight_files import load_tensors
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query

_LEAST = 0.01
"""Boxes below this confidence are left out."""

_UNLIKELY = -5.0
"""Logit of a box up to which one look is enough: most boxes are cells of tables and parts of figures."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on a page.

    Attributes:
        confidence: Probability that the page has a redaction.
        boxes: From top to bottom.
    """

    confidence: float
    boxes: tuple[Box, ...]


class Redactions(Family[Found, list[Found]]):
    """Finds the redactions of pages.

    A network marks cells, the page's own pixels say where a box ends, and a second network judges each box and each
    other plain rectangle. The feature of a page is what was found on it. Each page is computed alone, because pages
    differ in size.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"document_redaction_detection", "image_classification"})

    def __init__(self, model: Networks, config: RedactionsConfig, device: torch.device) -> None:
        self.model = model.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config
        self.device = device

    @classmethod
    def load(cls, folder: Path, settings: HandlerSettings) -> Self:
        """Load ``config.json`` and ``model.safetensors``.

        Raises:
            RecipeError: A file is missing or damaged, or they do not match.
        """
        read_options(Options, settings)
        device = prepare_device(settings)
        return load_at_precision(lambda: cls.read(folder / settings.weights / "model.safetensors", device), settings)

    @classmethod
    def read(cls, weights: Path, device: torch.device) -> Self:
        """Read both networks, in fp32, from a file of weights and the ``config.json`` beside it.

        Raises:
            RecipeError: As ``load``.
        """
        config = RedactionsConfig.read(weights.with_name("config.json"))
        model = Networks(config)
        load_tensors(model, weights)
        return cls(fuse(model), config, device)

    def encode(self, pictures: Sequence[Image.Image]) -> list[Found]:
        """Find the redactions of each page."""
        return [self.find(page) for page in pictures]

    def find(self, page: Image.Image) -> Found:
        """Find the redactions of a page in any size; 150 dpi are enough."""
        upright = Upright.of(page.convert("L"))
        outlines = self.outlines(upright.page)
        confidences = self.judged(upright.page, outlines)
        boxes = tuple(
            upright.box(outlines[number], confidences[number])
            for number in best_of(outlines, confidences)
            if confidences[number] >= _LEAST
        )
        return Found(max((box.confidence for box in boxes), default=_LEAST / 2), boxes)

    def outlines(self, grey: Image.Image) -> list[Outline]:
        """The boxes that the first network marks on an upright page, and other plain rectangles, in its pixels."""
        return self.boxes_of(grey, self.cells(grey))

    @torch.inference_mode()
    def cells(self, grey: Image.Image) -> NDArray[np.float32]:
        """The probability of each cell of a page to be redacted [rows, columns]."""
        ink = to_ink(grey, self.config.side)[None]
        logits = self.model.pages(ink.to(self.device, self.dtype, memory_format=torch.channels_last))[0].float()
        width, height = (-(-pixels // CELL) for pixels in scaled_size(*grey.size, self.config.side))
        probabilities: NDArray[np.float32] = logits[:height, :width].sigmoid().cpu().numpy()
        return probabilities

    def boxes_of(self, grey: Image.Image, cells: NDArray[np.float32]) -> list[Outline]:
        """The boxes that such cells mark, and other plain rectangles, in pixels of the page."""
        pixels = np.asarray(grey)
        return add_rectangles(find_outlines(cells, pixels, self.config.threshold), cells, pixels)

    @torch.inference_mode()
    def judged(self, page: Image.Image, outlines: Sequence[Outline]) -> list[float]:
        """The confidence of each box."""
        if not outlines:
            return []
        views = to_tensor(look_at(page, outlines)).to(self.device, self.dtype)
        traits = torch.from_numpy(describe(page, outlines)).to(self.device, self.dtype)
        logits = self.model.boxes(views, traits).float()
        # A redaction is one in a mirrored page too, so the mean of both looks is less often wrong than one of them.
        likely = logits > _UNLIKELY
        if likely.any():
            again = self.model.boxes(mirrored(views[likely]), traits[likely]).float()
            logits[likely] = (logits[likely] + again) / 2
        config = self.config
        calibrated: Tensor = logits / config.temperature + config.page_weight * logits.max() + config.bias
        return [float(one) for one in calibrated.sigmoid().cpu()]

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        dtype: torch.dtype = next(self.model.parameters()).dtype
        return dtype

    def forward(self, features: Sequence[Found], queries: Sequence[Query]) -> list[Found]:
        """What was found; there is nothing left to compute."""
        del queries
        return list(features)

    def decode(self, outputs: list[Found], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """``redacted`` and ``not redacted``, the likelier first, which has the boxes as a detail."""
        ranked = []
        for found, query in zip(outputs, queries, strict=True):
            scores = {"redacted": found.confidence, "not redacted": 1 - found.confidence}
            first, second = sorted(scores, key=lambda label: -scores[label])
            boxes = [{name: round(value, 4) for name, value in asdict(box).items()} for box in found.boxes]
            answers = (Answer(first, scores[first], {"boxes": boxes}), Answer(second, scores[second]))
            ranked.append(answers[: query.top_k])
        return ranked
