"""The command that converts torchvision's checkpoints, and what a converted recipe answers."""

from __future__ import annotations

from pathlib import Path

import torch
import typer
from torch import Tensor
from typer.testing import CliRunner, Result

from scripts import convert
from tests.support.families import answers
from tests.support.torchvision_oracle import CLASSES, PICTURES
from vqaserve.families.torchvision_classifier import TorchvisionClassifier
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

NAMES = ",".join(CLASSES)


def run(checkpoint: Path, output: Path, *more: str) -> Result:
    app = typer.Typer()
    app.command()(convert.main)
    return CliRunner().invoke(app, [*map(str, [checkpoint, "-o", output]), *more])


def load(recipe: Path) -> TorchvisionClassifier:
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    return TorchvisionClassifier.load(recipe, settings.model_copy(update={"precision": "fp32"}))


def scores(family: TorchvisionClassifier) -> Tensor:
    """The probability of each of ``CLASSES`` for each of ``PICTURES``."""
    found = answers(family, [(picture, Query(b"", top_k=len(CLASSES))) for picture in PICTURES])
    by_name = [{one.answer: one.score for one in ranked} for ranked in found]
    return torch.tensor([[one[name] for name in CLASSES] for one in by_name])
