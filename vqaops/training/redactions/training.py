"""Training of a ``redactions`` recipe, from its settings and documents to its weights."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vqaops.training.arithmetic import autocast
from vqaops.training.redactions.calibration import calibrate
from vqaops.training.redactions.distractors import DISTRACTORS, LOOKALIKES
from vqaops.training.redactions.examples import Source, draw_examples
from vqaops.training.redactions.hard_pages import find_hard_pages, with_hard_pages
from vqaops.training.redactions.judging import collect_boxes, train_judge
from vqaops.training.redactions.pages import Page, fingerprint, render_documents
from vqaops.training.redactions.passages import LARGE
from vqaops.training.redactions.settings import RedactionTrainSettings
from vqaops.training.redactions.trainer import RedactionTrainer
from vqaops.training.redactions.weights import BOXES, PAGES, mean_of, of_network, write_weights
from vqaserve.errors import RecipeError
from vqaserve.families.backbones.fusing import fuse
from vqaserve.families.redactions.family import Redactions
from vqaserve.families.redactions.judge import BoxJudge
from vqaserve.families.redactions.network import Networks
from vqaserve.families.weight_files import read_tensors

log = logging.getLogger(__name__)

_CALIBRATION_SHARE = 0.12


def train_recipe(recipe: Path, data: Path, state: Path) -> None:
    """Train a recipe on its ``train.yaml``.

    Raises:
        RecipeError: As ``train_redactions``, or the settings are faulty.
    """
    train_redactions(RedactionTrainSettings.read(recipe / "train.yaml"), data, state, output=recipe)


def train_redactions(settings: RedactionTrainSettings, data: Path, state: Path, output: Path) -> None:
    """Train on the documents of ``data/train``, and write ``output/weights`` and ``output/learning-curve.png``.

    Args:
        settings: The recipe's ``train.yaml``.
        data: A folder with the PDF files to draw on in ``train/``.
        state: Folder of rendered pages, of drawn examples, and of the state to resume from.
        output: The recipe's folder.

    Raises:
        RecipeError: The documents or the weights to start from cannot be read.
    """
    first = read_tensors(output / settings.start) if settings.start else {}
    pages = render_documents(data / "train", settings.pages_per_document, state / "pages")
    kept, held_out = hold_out_documents(pages, _CALIBRATION_SHARE)
    log.info("%d pages for training, %d of other documents for the calibration", len(kept), len(held_out))
    hard: list[Page] = []
    if settings.start and (settings.hard or settings.judge_hard):
        before = Redactions.read(output / settings.start, torch.device("cpu"))
        hard = _hard_pages(before, settings, kept, data, state)
    for_first = with_hard_pages(kept, hard, settings.hard)
    own = hashlib.sha256(
        f"{fingerprint([*for_first, *held_out])} {settings.seed} {settings.typed} {settings.styles} "
        f"{settings.model.side}".encode()
    )
    folder = state / f"examples-{own.hexdigest()[:12]}"
    # The calibration sees each style as often as documents have it, so that confidences are probabilities there.
    sources = [
        Source(for_first, settings.typed, settings.seed, settings.styles, tuple(DISTRACTORS)),
        Source(held_out, settings.typed, settings.seed + 1),
    ]
    counts = (settings.examples, settings.calibration) if settings.epochs else (0, 0)
    train, calibration = (
        draw_examples(source, count, settings.model.side, folder / name)
        for source, count, name in zip(sources, counts, ("train", "calibration"), strict=True)
    )
    trainer = RedactionTrainer(settings, train, calibration, state / "state.pt", own.hexdigest())
    first_pages = of_network(first, PAGES)
    if first:
        trainer.start(first_pages)
    trained = trainer.run().state_dict()
    model = Networks(settings.model)
    model.pages.load_state_dict(mean_of(first_pages, trained, settings.page_share) if first else trained)
    plain = settings.model.model_copy(update={"temperature": 1.0, "bias": 0.0, "page_weight": 0.0})
    family = Redactions(fuse(copy.deepcopy(model)), plain, torch.device("cpu"))
    family.model.boxes = _train_second(settings, family, with_hard_pages(kept, hard, settings.judge_hard), first)
    model.boxes.load_state_dict(family.model.boxes.state_dict())
    with autocast(settings.bf16):
        config = calibrate(family, sources[1], settings.calibration)
    write_weights(output / "weights", model, config)
    if trainer.history:
        draw_learning_curve(output / "learning-curve.png", trainer.history)
    fitted = (config.temperature, config.bias, config.page_weight)
    log.info("wrote %s (temperature %.2f, bias %.2f, page_weight %.2f)", output / "weights", *fitted)


def _hard_pages(
    family: Redactions, settings: RedactionTrainSettings, pages: Sequence[Page], data: Path, state: Path
) -> list[Page]:
    """The hard ones of the pages, and of further pages of the documents that have one."""
    hard = find_hard_pages(family, pages)
    log.info("%d of %d pages are hard", len(hard), len(pages))
    if settings.hard_pages_per_document > settings.pages_per_document:
        documents = {page.document for page in hard}
        again = render_documents(data / "train", settings.hard_pages_per_document, state / "pages", only=documents)
        known = set(pages)
        further = [page for page in again if page not in known]
        found = find_hard_pages(family, further)
        log.info("%d of %d further pages are hard", len(found), len(further))
        hard += found
    return hard


def _train_second(
    settings: RedactionTrainSettings, family: Redactions, pages: Sequence[Page], first: Mapping[str, Tensor]
) -> BoxJudge:
    """Train the second network on what the first one marks on pages that were drawn anew."""
    others = Source(pages, settings.typed, settings.seed + 2, settings.styles, tuple(DISTRACTORS))
    alike = Source(pages, settings.typed, settings.seed + 3, settings.styles, LOOKALIKES)
    large = Source(pages, settings.typed, settings.seed + 4, settings.styles, tuple(DISTRACTORS), LARGE)
    counts = (settings.judge_examples, settings.judge_lookalikes, settings.judge_large)
    with autocast(settings.bf16):
        boxes = collect_boxes(family, list(zip((others, alike, large), counts, strict=True)))
    return train_judge(boxes, settings, of_network(first, BOXES))


def hold_out_documents(pages: Sequence[Page], share: float) -> tuple[list[Page], list[Page]]:
    """Split pages into (kept, held out) by document, by the hashes of the documents' names.

    Raises:
        RecipeError: All pages are of one document.
    """
    names = sorted({page.document for page in pages}, key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(names) < 2:
        raise RecipeError("training needs at least two documents: one to learn from, one for the calibration")
    held_out = set(names[: max(1, round(share * len(names)))])
    return [page for page in pages if page.document not in held_out], [
        page for page in pages if page.document in held_out
    ]


def draw_learning_curve(path: Path, history: Sequence[tuple[float, float]]) -> None:
    """Plot the loss by epoch, in training and on other documents."""
    from matplotlib.figure import Figure  # not pyplot, which needs a display

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for label, values in zip(("training", "other documents"), zip(*history, strict=True), strict=True):
        axes.plot(range(1, len(history) + 1), values, label=label)
    axes.set(title="redactions", xlabel="epoch", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)
