"""``train.yaml`` of a recipe of the ``redactions`` family."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vqaops.training.redactions.brushes import WEIGHTS
from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_settings

Count = Annotated[int, Field(gt=0)]


def _share_of_each_style(styles: tuple[float, ...]) -> tuple[float, ...]:
    if len(styles) != len(WEIGHTS) or not math.isclose(sum(styles), 1, abs_tol=1e-6):
        raise ValueError(f"needs {len(WEIGHTS)} shares whose sum is 1")
    return styles


class RedactionTrainSettings(FrozenModel):
    """All settings except the location of the documents.

    Attributes:
        family: Says that these are the settings of this family.
        model: The network, which is saved as ``weights/config.json``.
        start: A file of weights in the recipe's folder that both networks start from, instead of random ones.
        seed: Seed of every random choice.
        pages_per_document: The most pages of one document.
        hard: Share of the first network's pages that are hard, such as slides and figures: the networks of ``start``,
            calibrated as the ``config.json`` beside it says, see a redaction although there is none.
        judge_hard: The same share for the second network.
        hard_pages_per_document: The most pages of one document among which hard ones are looked for, if that is more
            than ``pages_per_document``. Only documents that have one among those are looked at again.
        typed: Share of the examples that are typed pages instead of pages of documents.
        styles: How often each style of redaction is drawn, in the order of ``brushes.BRUSHES``; the sum is 1.
        examples: Examples that are drawn once; every epoch sees all of them.
        calibration: Examples on documents that the network is not trained on; the learning curve and the temperature
            are measured on them.
        epochs: Number of epochs, over which the learning rate falls to 0; 0 keeps the network of ``start``.
        batch: Examples in a step.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay of AdamW.
        average: Decay of the running mean of the weights; the mean is what is saved.
        judge_examples: Examples whose boxes the second network is trained on.
        judge_lookalikes: Further examples for it, whose distractors are all ``distractors.LOOKALIKES``: tables,
            screenshots and others that it takes for white, labelled or grey redactions first.
        judge_large: Further examples for it, whose redactions are mostly over paragraphs, figures and photographs; of
            the others few are so large.
        judge_epochs: Number of epochs of the second network.
        judge_runs: Trainings of the second network from ``start``, with seeds of their own; their mean is saved.
        page_share: Share of its trained weights in the first network that is saved, if it starts from ``start``; the
            rest is of ``start``. A mean of both is often better on new documents than either (Wortsman et al. 2022).
        judge_share: The same share for the second network.
        bf16: Compute in bfloat16 where the processor supports it, which is faster.
    """

    family: Literal["redactions"]
    model: RedactionsConfig
    start: Path | None = None
    seed: int = 0
    pages_per_document: Count = 40
    hard: Annotated[float, Field(ge=0, lt=1)] = 0.0
    judge_hard: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hard_pages_per_document: Annotated[int, Field(ge=0)] = 0
    typed: Annotated[float, Field(ge=0, le=1)] = 0.3
    styles: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], AfterValidator(_share_of_each_style)] = WEIGHTS
    examples: Count
    calibration: Count
    epochs: Annotated[int, Field(ge=0)]
    batch: Count = 4
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    judge_examples: Count = 800
    judge_lookalikes: Annotated[int, Field(ge=0)] = 0
    judge_large: Annotated[int, Field(ge=0)] = 0
    judge_epochs: Count = 12
    judge_runs: Count = 1
    page_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    judge_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    bf16: bool = False

    @model_validator(mode="after")
    def _hard_pages_need_networks(self) -> Self:
        if (self.hard or self.judge_hard) and not self.start:
            raise ValueError("hard and judge_hard need start: weights that tell which pages are hard")
        return self

    @classmethod
    def read(cls, path: Path) -> RedactionTrainSettings:
        """Read a ``train.yaml``.

        Raises:
            RecipeError: The file cannot be read, is not YAML, or has an unknown key, a missing key or a bad value.
        """
        return read_settings(cls, path)
