"""Training of a classifier of pictures, from its settings and pictures to its weights and figures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vqaops.importing.recipes import Origin, complete_recipe
from vqaops.plots import require_matplotlib
from vqaops.training.classes.alone import one_thread
from vqaops.training.classes.base import Learned, read_base
from vqaops.training.classes.card import CONFUSION, CURVE, figures_section, write_figures
from vqaops.training.classes.features import Encoder
from vqaops.training.classes.figures import Classifier, draw_confusion, measure
from vqaops.training.classes.head import HeadTrainer
from vqaops.training.classes.pictures import LabelledPicture, read_split
from vqaops.training.classes.settings import ClassTrainSettings
from vqaops.training.export import draw_learning_curve
from vqaserve.families import find_family
from vqaserve.settings import ModelConfig

log = logging.getLogger(__name__)

_LIBRARIES = {"torchvision_classifier": "pytorch", "hf_image_classifier": "transformers"}
"""The Hub's name of a family's library."""

_STORY = """\
A classifier of pictures with the classes {labels}. `scripts/train.py` trained its head on the settings in
`train.yaml`; the network below the head, `{base}`, is as it was. Fill in: the pictures and their terms, the
license of these weights, what the model is for, and its limits.

`samples/` holds a drawn picture, so that the archive can be tried; put pictures of your own there.
"""


def train_recipe(recipe: Path, data: Path, state: Path) -> None:
    """Train a recipe on its ``train.yaml``, and write its weights, its figures and the files that it lacks.

    Args:
        recipe: The recipe's folder.
        data: A folder of folders of pictures.
        state: Folder of the features of the pictures, which an interrupted run and the next one reuse.

    Raises:
        RecipeError: The settings, the base or the pictures cannot be used, or matplotlib is not installed.
    """
    require_matplotlib()
    settings = ClassTrainSettings.read(recipe / "train.yaml")
    base, split = read_base(settings), read_split(data, settings)
    encoder = Encoder(base, state / "features", settings)
    train = encoder.encode(split.train, settings.views, "encoding pictures")
    held_out = encoder.encode(split.held_out, 1, "encoding held-out pictures")
    trainer = HeadTrainer(
        settings,
        len(split.labels),
        (train, _targets(split.train, split.labels)),
        (held_out, _targets(split.held_out, split.labels)),
    )
    with one_thread():
        head, temperature = trainer.run()
    (recipe / "weights").mkdir(parents=True, exist_ok=True)
    base.write(recipe / "weights", settings, Learned(split.labels, head, train[:, 0], held_out[:, 0]))
    story = _STORY.format(labels=", ".join(split.labels), base=base.name)
    origin = Origin(settings.family, "image-classification", _LIBRARIES[settings.family], story)
    for written in complete_recipe(recipe, origin):
        log.info("wrote %s, yours to change", recipe / written)
    figures = measure(load_trained(recipe), split.test)
    draw_learning_curve(recipe / CURVE, trainer.history, recipe.resolve().name)
    draw_confusion(recipe / CONFUSION, figures)
    write_figures(recipe / "README.md", figures_section(figures, split, temperature))
    log.info("%d of %d test pictures are right: %s", figures.right, figures.pictures, f"{figures.accuracy:.1%}")
    if figures.abstained is not None:
        log.info("%d of them are marked as unlike all classes", figures.abstained)


def _targets(pictures: Sequence[LabelledPicture], labels: Sequence[str]) -> Tensor:
    return torch.tensor([labels.index(picture.label) for picture in pictures])


def load_trained(recipe: Path) -> Classifier:
    """The trained model as the server loads it, with torch's present number of threads."""
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    threads = torch.get_num_threads()
    family: Classifier = find_family(settings.family).load(  # type: ignore[assignment]  # those that are trained here
        recipe, settings.model_copy(update={"threads": threads, "device": "cpu"})
    )
    return family
