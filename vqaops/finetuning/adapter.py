"""Fine-tuning of the families that write: a LoRA adapter learns, and the model's own weights stay as they are."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.progress import track

from vqaops.card_sections import with_section
from vqaops.console import new_console
from vqaops.finetuning.adapter_trainer import BATCH, AdapterSettings, AdapterTrainer, AskedModel
from vqaops.finetuning.choices import NO_CHOICES, Choices
from vqaops.finetuning.lesson import sample_texts
from vqaops.finetuning.lora import add_adapter, write_adapter
from vqaops.finetuning.rehearsal import draw_pairs
from vqaops.plots import require_matplotlib
from vqaops.questions import Question
from vqaops.store import checksums
from vqaops.training.datasets import fingerprint, hold_out
from vqaops.training.export import draw_learning_curve
from vqaops.training.states import load_state, save_state
from vqaops.training.vocabulary import refuse_odd_answers
from vqaserve.families import find_family
from vqaserve.families.adapter import FOLDER
from vqaserve.families.generative import GenerativeFamily
from vqaserve.families.precision import convert_model
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.tasks.question_text import normalize_question
from vqaserve.text_files import read_text

log = logging.getLogger(__name__)

_HELD_OUT: Final = 0.1
_LEARNING_RATE: Final = 2e-4
_EPOCHS, _STEPS = 3, 100
"""Epochs, but at least so many steps: a handful of corrections needs more rounds than thousands of them."""

_CURVE: Final = "learning-curve.png"
_BEGIN, _END = "<!-- fine-tuning: replaced by the next one -->", "<!-- end of fine-tuning -->"


def tune_adapter(
    recipe: Path,
    new: Sequence[Question],
    old: Sequence[Question],
    state: Path,
    output: Path,
    choices: Choices = NO_CHOICES,
) -> None:
    """Train a recipe's adapter, and write it into ``output`` with its learning curve and a section of the card.

    Args:
        recipe: The recipe's folder.
        new: Questions to learn, about at least two pictures.
        old: Questions that it was trained on, to be replayed; without them, its own answers are kept.
        state: Folder of the state to resume from, and of the model's own answers.
        output: A copy of the recipe.
        choices: Of the user.

    Raises:
        RecipeError: The recipe, a question, a picture or a choice cannot be used, the architecture cannot learn, or
            matplotlib is not installed.
    """
    require_matplotlib()
    refuse_odd_answers(new)
    handler = ModelConfig.read(recipe / "model-config.yaml").handler
    folder = recipe / handler.weights
    family = _load(recipe, handler)
    adapted, rank = add_adapter(family, folder / FOLDER, choices.lora_rank)
    asked = AskedModel(family)
    kept, held_out = hold_out(_as_asked(new), _HELD_OUT, 0)  # none of the old ones, which the model knows by heart
    asked.logits(held_out[:1])  # an architecture that cannot be trained is refused before the rehearsal
    data = _hash(folder, [*new, *old])
    known = _as_asked(old) or _rehearsed(asked, kept, sample_texts(recipe), state / "own-answers.pt", data)
    train = [*kept, *known]
    epochs = choices.epochs or max(_EPOCHS, -(-_STEPS // -(-len(train) // BATCH)))
    settings = AdapterSettings(rank, choices.learning_rate or _LEARNING_RATE, epochs)
    log.info("%d new questions, of which %d are held out, and %d others", len(new), len(held_out), len(known))
    trainer = AdapterTrainer(asked, settings, train, held_out, state / "state.pt", data)
    before = trainer.score(held_out)
    trainer.run()
    write_adapter(adapted, output / handler.weights / FOLDER)
    draw_learning_curve(output / _CURVE, trainer.history, recipe.resolve().name)
    _describe(output / "README.md", trainer, before[1], len(kept), f"{len(known)} {'old' if old else 'own'}")


def _load(recipe: Path, handler: HandlerSettings) -> Any:
    """The family without its adapter, in bf16 on a GPU or if the recipe says so, else in fp32."""
    kind = find_family(handler.family)
    assert issubclass(kind, GenerativeFamily)
    family: Any = kind.load_base(recipe, handler)
    if handler.precision == "bf16" or family.device.type == "cuda":
        convert_model(family, "bf16")
    return family


def _as_asked(questions: Sequence[Question]) -> list[Question]:
    """The questions as the server would pass them on."""
    return [replace(one, text=normalize_question(one.text, len(one.text))) for one in questions]


def _rehearsed(
    asked: AskedModel, questions: Sequence[Question], others: Sequence[str], cache: Path, data: str
) -> list[Question]:
    """Other questions about the same pictures with the model's own answers, which are kept in ``cache``.

    To train on what a model writes itself is the distillation of Kim and Rush, "Sequence-Level Knowledge Distillation"
    (2016).
    """
    answers: dict[str, str] = {}
    if cache.exists():
        stored = load_state(cache, {"data", "answers"})
        answers = stored["answers"] if stored["data"] == data else {}
    found = []
    pairs = draw_pairs(questions, others, 0)
    shown = track(pairs, "asking the model", console=new_console(stderr=True), transient=True)
    for number, (image, text) in enumerate(shown, 1):
        key = f"{image}\n{text}"
        if key not in answers:
            answers[key] = asked.answer(image, text)
            if number % 50 == 0 or number == len(pairs):
                save_state(cache, {"data": data, "answers": answers})
        if answers[key]:
            found.append(Question(image, text, (answers[key],)))
    return found


def _hash(weights: Path, questions: Sequence[Question]) -> str:
    """A hash of everything that a training starts from."""
    files = sorted(weights.rglob("*.safetensors"))
    return hashlib.sha256("\n".join([*map(checksums.digest, files), fingerprint(questions)]).encode()).hexdigest()


def _describe(card: Path, trainer: AdapterTrainer, before: float, learned: int, others: str) -> None:
    """Write the section of a model card about the adapter."""
    settings, best = trainer.settings, trainer.best_epoch
    section = [
        _BEGIN,
        "## Fine-tuning",
        "",
        f"A LoRA adapter of rank {settings.rank} on the decoder's attention, in `weights/{FOLDER}`, was trained "
        f"on {learned} questions and {others} answers "
        f"({settings.epochs} epochs, learning rate {settings.learning_rate:g}). "
        f"Of {len(trainer.held_out)} held-out questions, {before:.1%} were answered right before, and "
        f"{best.held_out_accuracy:.1%} after epoch {trainer.history.index(best) + 1}, which was kept.",
        "",
        f"![Loss and accuracy by epoch.]({_CURVE})",
        _END,
    ]
    card.write_text(with_section(read_text(card), "\n".join(section)), encoding="utf-8")
