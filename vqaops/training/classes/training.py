"""Training of a ``torchvision_classifier`` recipe, from its settings and pictures to its weights and figures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vqaops.importing.recipes import Origin, complete_recipe
from vqaops.training.classes.base import Base, read_base
from vqaops.training.classes.card import CONFUSION, CURVE, figures_section, write_figures
from vqaops.training.classes.features import Encoder
from vqaops.training.classes.figures import draw_confusion, measure
from vqaops.training.classes.head import HeadTrainer
from vqaops.training.classes.pictures import LabelledPicture, read_split
from vqaops.training.classes.settings import ClassTrainSettings
from vqaops.training.classes.unlike import learn_familiarity
from vqaops.training.export import draw_learning_curve
from vqaserve.families.torchvision_classifier import TorchvisionClassifier
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig
from vqaserve.settings import ModelConfig

log = logging.getLogger(__name__)

_FAMILY = "torchvision_classifier"
_STORY = """\
A classifier of pictures with the classes {labels}. `scripts/train.py` trained its head on the settings in
`train.yaml`; the network below the head, `{architecture}`, is as it was. Fill in: the pictures and their terms, the
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
        RecipeError: The settings, the base or the pictures cannot be used.
    """
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
    head, temperature = trainer.run()
    familiarity, known = learn_familiarity(train[:, 0], held_out[:, 0], settings.unlike, settings.seed)
    config = TorchvisionConfig(
        architecture=base.architecture, labels=split.labels, transforms=base.transforms, known=known
    )
    _write_weights(recipe / "weights", base, {"head": head, "familiarity": familiarity}, config)
    story = _STORY.format(labels=", ".join(split.labels), architecture=base.architecture)
    for written in complete_recipe(recipe, Origin(_FAMILY, "image-classification", "pytorch", story)):
        log.info("wrote %s, yours to change", recipe / written)
    figures = measure(load_trained(recipe), split.test)
    draw_learning_curve(recipe / CURVE, trainer.history, recipe.resolve().name)
    draw_confusion(recipe / CONFUSION, figures)
    write_figures(recipe / "README.md", figures_section(figures, split, temperature))
    log.info("%d of %d test pictures are right: %s", figures.right, figures.pictures, f"{figures.accuracy:.1%}")
    log.info("%d of them are marked as unlike all classes", figures.abstained)


def _targets(pictures: Sequence[LabelledPicture], labels: Sequence[str]) -> Tensor:
    return torch.tensor([labels.index(picture.label) for picture in pictures])


def _write_weights(folder: Path, base: Base, trained: Mapping[str, nn.Module], config: TorchvisionConfig) -> None:
    """Write the base and the known features in half precision, the head in float32, and the config.

    Args:
        folder: Where to.
        base: The network.
        trained: What was trained above it, by its name in ``Classifier``.
        config: What the tensors belong to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"backbone.{name}": tensor.half() for name, tensor in base.weights.items()}
    for part, module in trained.items():
        tensors |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors["familiarity.known"] = tensors["familiarity.known"].half()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_trained(recipe: Path) -> TorchvisionClassifier:
    """The trained model as the server loads it, with torch's present number of threads."""
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    threads = torch.get_num_threads()
    return TorchvisionClassifier.load(recipe, settings.model_copy(update={"threads": threads, "device": "cpu"}))
