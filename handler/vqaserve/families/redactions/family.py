"""The class that loads a ``redactions`` model and finds redactions on pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vqaserve.documents.boxes import Box
from vqaserve.errors import RecipeError
from vqaserve.families.base import Family
from vqaserve.families.device import prepare_device
from vqaserve.families.options import Options, read_options
from vqaserve.families.precision import load_at_precision
from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.network import CELL, PageNet
from vqaserve.families.redactions.outlines import find_outlines
from vqaserve.families.redactions.preparation import scaled_size, to_ink
from vqaserve.families.weight_files import read_tensors
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Query


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
    """Finds the redactions of pages: a network marks cells, and the page's own pixels say where a box ends.

    The feature of a page is what was found on it. Each page is computed alone, because pages differ in size.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"document_redaction_detection", "image_classification"})

    def __init__(self, model: PageNet, config: RedactionsConfig, device: torch.device) -> None:
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
        return load_at_precision(lambda: cls._read(folder / settings.weights, device), settings)

    @classmethod
    def _read(cls, weights: Path, device: torch.device) -> Self:
        config = RedactionsConfig.read(weights / "config.json")
        model, file = PageNet(config), weights / "model.safetensors"
        tensors = read_tensors(file)
        try:
            model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise RecipeError(f"{file} does not fit {weights / 'config.json'}: {reason:.300}") from None
        return cls(fuse(model.eval()), config, device)

    def encode(self, pictures: Sequence[Image.Image]) -> list[Found]:
        """Find the redactions of each page."""
        return [self.find(page) for page in pictures]

    @torch.inference_mode()
    def find(self, page: Image.Image) -> Found:
        """Find the redactions of a page in any size; 150 dpi are enough."""
        grey = page.convert("L")
        ink = to_ink(grey, self.config.side)[None]
        dtype = next(self.model.parameters()).dtype
        logits = self.model(ink.to(self.device, dtype, memory_format=torch.channels_last))[0].float()
        width, height = (-(-pixels // CELL) for pixels in scaled_size(*grey.size, self.config.side))
        cells = logits[:height, :width].sigmoid().cpu().numpy()
        boxes = tuple(
            Box(
                one.left / grey.width,
                one.top / grey.height,
                one.right / grey.width,
                one.bottom / grey.height,
                self._calibrated(one.probability),
            )
            for one in find_outlines(cells, np.asarray(grey), self.config.threshold)
        )
        # Without a box, the cells are too few or below the threshold, however likely they are.
        best_cell = min(float(cells.max()), self.config.threshold)
        return Found(max((box.confidence for box in boxes), default=self._calibrated(best_cell)), boxes)

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

    def _calibrated(self, probability: float) -> float:
        return calibrated(probability, self.config.temperature, self.config.bias)


def calibrated(probability: float, temperature: float, bias: float) -> float:
    """A probability with its logit divided by a temperature, and shifted (Platt 1999)."""
    clipped = min(max(probability, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(clipped / (1 - clipped)) / temperature + bias)))


def fuse(model: PageNet) -> PageNet:
    """Fold each batch normalisation into the convolution before it, in place, so that it costs nothing."""
    for layer in [layer for layer in model.modules() if isinstance(layer, nn.Sequential)]:
        match list(layer):
            case [nn.Conv2d() as convolution, nn.BatchNorm2d() as normalisation, _]:
                layer[0], layer[1] = fuse_conv_bn_eval(convolution, normalisation), nn.Identity()
    return model
