"""Fine-tuning of the family ``modular``: its heads learn, and its picture encoder stays as it is."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqaops.finetuning.layers import widened_layer
from vqaops.finetuning.lesson import Lesson, sample_texts
from vqaops.finetuning.rehearsal import Rehearsal, draw_pairs
from vqaops.plots import require_matplotlib
from vqaops.questions import Question
from vqaops.store import checksums
from vqaops.training.batches import Batches
from vqaops.training.datasets import fingerprint, hash_images, hold_out
from vqaops.training.export import draw_learning_curve, fit_temperature, write_weights
from vqaops.training.pretrained import encode_files
from vqaops.training.settings import Augmentation, Optimisation, TrainSettings
from vqaops.training.states import load_state, save_state
from vqaops.training.trainer import Trainer, stored_features
from vqaserve.families.backbones.packed_conv2d import pack_convolutions
from vqaserve.families.modular.config import ModularConfig
from vqaserve.families.modular.files import read_answers, read_tokenizer, read_weights
from vqaserve.families.modular.model import Head, ModularModel
from vqaserve.families.modular.preparation import to_tokens
from vqaserve.settings import ModelConfig

log = logging.getLogger(__name__)

_EPOCHS, _STEPS = 6, 300
"""Epochs, but at least so many steps: a handful of corrections needs more rounds than thousands of them."""

_CALIBRATING = 200
"""Held-out questions that are enough for a new temperature; with fewer, the model keeps its own."""

_SLOWER = 0.3
"""Share of the learning rate of a training from the beginning."""

_DEFAULT = Optimisation(epochs=_EPOCHS, patience=_EPOCHS, pictures_per_step=16, learning_rate=1e-3)
_HELD_OUT = 0.1


def tune_heads(recipe: Path, new: Sequence[Question], old: Sequence[Question], state: Path, output: Path) -> None:
    """Train a recipe's heads on, and write ``output/weights`` and ``output/learning-curve.png``.

    Args:
        recipe: The recipe's folder.
        new: Questions to learn, about at least two pictures.
        old: Questions that it was trained on, to be replayed; without them, its own answers are kept.
        state: Folder of the state to resume from, and of encoded pictures.
        output: A recipe's folder.

    Raises:
        RecipeError: The recipe, a question or a picture cannot be used, or matplotlib is not installed.
    """
    require_matplotlib()
    weights = recipe / ModelConfig.read(recipe / "model-config.yaml").handler.weights
    config, tokenizer = ModularConfig.read(weights / "config.json"), read_tokenizer(weights / "tokenizer.json")
    answers = read_answers(weights / "answers.txt")
    lesson = Lesson.of(new, old, answers)
    settings = _settings(recipe, config, len({question.image for question in (*lesson.new, *lesson.old)}))
    model = ModularModel(config, vocabulary=tokenizer.get_vocab_size(), answers=len(answers))
    read_weights(weights / "model.safetensors", model)
    images = sorted({question.image for question in (*lesson.new, *lesson.old)})
    key = checksums.digest(weights / "model.safetensors")
    features = _features(model, settings, images, state, key)
    teacher = _Teacher(model, config, tokenizer, images, features)
    # None of the old ones: the model knows them by heart, so the epoch that learns the least would look the best.
    kept, held_out = hold_out(lesson.new, settings.held_out, settings.optimisation.seed)
    rehearsal = Rehearsal() if lesson.old else teacher.rehearse(kept, sample_texts(recipe), lesson.answers)
    student = widened(model, config, tokenizer.get_vocab_size(), len(lesson.answers))
    student.image_encoder.requires_grad_(False)
    made = (lesson.answers, tokenizer, config.max_tokens, settings.optimisation.pictures_per_step)
    train = Batches((*kept, *lesson.old, *rehearsal.questions), images, *made, rehearsal.targets)
    checked = Batches(held_out, images, *made)
    data = hashlib.sha256(f"{key} {fingerprint((*lesson.new, *lesson.old))}".encode()).hexdigest()
    trainer = _LastBest(student, settings, stored_features(features), train, checked, state / "state.pt", data)
    best = trainer.run()
    if len(held_out) >= _CALIBRATING:
        config = config.model_copy(update={"temperature": fit_temperature(*trainer.logits(checked))})
    write_weights(output / "weights", best, config, lesson.answers, tokenizer)
    draw_learning_curve(output / "learning-curve.png", trainer.history, recipe.resolve().name)
    log.info("wrote %s (temperature %.2f)", output / "weights", config.temperature)


class _LastBest(Trainer):
    """Keeps the last of several equally good epochs: few questions are held out, and soon all of them are right."""

    def _since_best(self) -> int:
        scores = [epoch.held_out_accuracy for epoch in reversed(self.history)]
        return scores.index(max(scores)) if scores else 0


def widened(model: ModularModel, config: ModularConfig, vocabulary: int, answers: int) -> ModularModel:
    """A copy of a model that can give further answers."""
    copy = ModularModel(config, vocabulary=vocabulary, answers=answers)
    tensors = model.state_dict()
    for number, head in enumerate(model.heads):
        assert isinstance(head, Head)
        wide = widened_layer(head.classifier, answers)
        tensors |= {f"heads.{number}.classifier.{name}": tensor for name, tensor in wide.state_dict().items()}
    copy.load_state_dict(tensors)
    return copy


def _settings(recipe: Path, config: ModularConfig, pictures: int) -> TrainSettings:
    """The recipe's own way to train, for fewer and smaller steps; a recipe without ``train.yaml`` gets defaults."""
    file = recipe / "train.yaml"
    own = TrainSettings.read(file) if file.exists() else None
    optimisation = own.optimisation if own else _DEFAULT
    steps = -(-pictures // optimisation.pictures_per_step)
    epochs = max(_EPOCHS, -(-_STEPS // steps))
    changes = {
        "epochs": epochs,
        "patience": epochs // 2,
        "warmup_epochs": epochs / 12,
        "average": min(optimisation.average, 1 - 10 / (epochs * steps)),
        "learning_rate": _SLOWER * own.optimisation.learning_rate if own else optimisation.learning_rate,
    }
    return TrainSettings(
        model=config,
        tokenizer=own.tokenizer if own else "words",
        freeze_image_encoder=True,
        held_out=own.held_out if own else _HELD_OUT,
        optimisation=optimisation.model_copy(update=changes),
        augmentation=own.augmentation if own else Augmentation(),
    )


@torch.inference_mode()
def _features(
    model: ModularModel, settings: TrainSettings, images: Sequence[Path], state: Path, weights: str
) -> Tensor:
    """Features of all pictures [views, m, cells, channels] in half precision: as they are, and mirrored if wanted.

    They are kept in ``state``, for a run that was interrupted. A picture that people asked about may be one of the old
    ones under another name; it is encoded once.
    """
    mirror = settings.augmentation.mirror > 0
    cache, key = state / "features.pt", [weights, hash_images(images), mirror]
    if cache.exists():
        stored = load_state(cache, {"key", "features"})
        if stored["key"] == key:
            return torch.as_tensor(stored["features"])
    digests = [checksums.digest(image) for image in images]
    by_digest = dict(zip(digests, images, strict=True))
    different = list(by_digest.values())
    encoder = copy.deepcopy(model).eval()
    pack_convolutions(encoder.image_encoder)
    encoded = encode_files(different, settings.model.pixels, encoder.encode, mirror=mirror)
    row = {digest: place for place, digest in enumerate(by_digest)}
    features = encoded[:, torch.tensor([row[digest] for digest in digests])]
    save_state(cache, {"key": key, "features": features})
    return features


class _Teacher:
    """The model before it learns."""

    def __init__(
        self, model: ModularModel, config: ModularConfig, tokenizer: Any, images: Sequence[Path], features: Tensor
    ) -> None:
        self._model = model.eval()
        self._config = config
        self._tokenizer = tokenizer
        self._row = {image: row for row, image in enumerate(images)}
        self._features = features

    @torch.inference_mode()
    def rehearse(self, questions: Sequence[Question], others: Sequence[str], answers: Sequence[str]) -> Rehearsal:
        """Its answers to other questions about the same pictures; it gives new ones no probability."""
        pairs = draw_pairs(questions, others, seed=0)
        asked, targets = [], {}
        for image, text in pairs:
            tokens, mask = to_tokens([text], self._tokenizer, self._config.max_tokens)
            image_features = self._features[0, [self._row[image]]].float()
            [logits] = self._model(image_features, torch.tensor([0]), tokens, mask)
            row = torch.zeros(len(answers))
            row[: len(logits)] = logits.softmax(0)
            targets[image, text] = row
            asked.append(Question(image, text, (answers[int(row.argmax())],)))
        return Rehearsal(tuple(asked), targets)
