"""Training of a recipe, from its settings and questions to its weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from vqaops.plots import require_matplotlib
from vqaops.questions import Question
from vqaops.training.batches import Batches
from vqaops.training.datasets import fingerprint, hash_images, hold_out
from vqaops.training.export import draw_learning_curve, fit_temperature, write_weights
from vqaops.training.pretrained import load_features, load_pixels
from vqaops.training.settings import TrainSettings
from vqaops.training.states import load_state, save_state
from vqaops.training.trainer import ImageFeatures, Trainer, encoded_pixels, stored_features
from vqaops.training.vocabulary import build_answers, build_tokenizer
from vqaserve.families.modular.model import Head, ModularModel
from vqaserve.tasks.question_text import normalize_question

log = logging.getLogger(__name__)


def train(settings: TrainSettings, questions: Sequence[Question], state: Path, output: Path) -> None:
    """Train on questions, and write ``output/weights`` and ``output/learning-curve.png``.

    Args:
        settings: The recipe's ``train.yaml``.
        questions: The training split.
        state: Folder of the state to resume from, and of encoded pictures.
        output: The recipe's folder.

    Raises:
        RecipeError: The settings, an answer or a picture cannot be used, or matplotlib is not installed.
    """
    require_matplotlib()
    config, optimisation = settings.model, settings.optimisation
    # As the server does before a question reaches the tokenizer.
    questions = [replace(one, text=normalize_question(one.text, len(one.text))) for one in questions]
    tokenizer = build_tokenizer(settings.tokenizer, questions)
    answers = build_answers(questions)
    images = sorted({question.image for question in questions})
    kept, held_out = hold_out(questions, settings.held_out, optimisation.seed)
    log.info("%d questions for training, %d held out, %d answers", len(kept), len(held_out), len(answers))
    train_batches, held_out_batches = (
        Batches(part, images, answers, tokenizer, config.max_tokens, optimisation.pictures_per_step)
        for part in (kept, held_out)
    )
    torch.manual_seed(optimisation.seed)
    model = ModularModel(config, vocabulary=tokenizer.get_vocab_size(), answers=len(answers))
    _start_at_frequencies(model, questions, answers)
    features = image_features(settings, model, images, state)
    trainer = Trainer(
        model, settings, features, train_batches, held_out_batches, state / "state.pt", fingerprint(questions)
    )
    best = trainer.run()
    config = config.model_copy(update={"temperature": fit_temperature(*trainer.logits(held_out_batches))})
    write_weights(output / "weights", best, config, answers, tokenizer)
    draw_learning_curve(
        output / "learning-curve.png", trainer.history, output.resolve().name, trained="training, one head"
    )
    log.info("wrote %s (temperature %.2f)", output / "weights", config.temperature)


def image_features(settings: TrainSettings, model: ModularModel, images: Sequence[Path], state: Path) -> ImageFeatures:
    """Return the features of all pictures. A frozen encoder encodes each picture once, and ``state`` keeps the result.

    Raises:
        RecipeError: A picture cannot be read, or the encoder cannot be frozen.
    """
    if not settings.freeze_image_encoder:
        return encoded_pixels(load_pixels(images, settings.model.pixels))
    model.image_encoder.requires_grad_(False)
    cache = state / "features.pt"
    pixels, encoder = settings.model.pixels.model_dump_json(), settings.model.image_encoder.model_dump_json()
    key = [pixels, encoder, hash_images(images)]
    if cache.exists():
        stored = load_state(cache, {"key", "encoder", "features"})
        if stored["key"] == key:
            model.image_encoder.load_state_dict(stored["encoder"])
            return stored_features(stored["features"])
    features = load_features(model, images, settings.model.pixels)
    save_state(cache, {"key": key, "encoder": model.image_encoder.state_dict(), "features": features})
    return stored_features(features)


def _start_at_frequencies(model: ModularModel, questions: Sequence[Question], answers: list[str]) -> None:
    """Set the classifiers' biases to the log frequencies of the answers, so that training need not learn them first."""
    counts = torch.zeros(len(answers))
    for question in questions:
        counts[answers.index(question.answers[0])] += 1
    with torch.no_grad():
        for head in model.heads:
            assert isinstance(head, Head)
            head.classifier.bias.copy_(((counts + 0.5) / len(questions)).log())
