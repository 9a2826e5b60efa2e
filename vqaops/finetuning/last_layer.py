"""Fine-tuning of the family ``hf_classifier``: the classifier's last layer learns, and the network before it stays."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from vqaops.console import new_console
from vqaops.finetuning.layers import widened_layer
from vqaops.finetuning.lesson import Lesson, sample_texts
from vqaops.finetuning.rehearsal import draw_pairs
from vqaops.questions import Question
from vqaops.training.datasets import fingerprint, hold_out
from vqaops.training.pretrained import open_pixels
from vqaops.training.states import load_state, save_state
from vqaserve.errors import RecipeError
from vqaserve.families.hf_classifier import HfClassifier
from vqaserve.families.hf_classifier.family import ClassifierOptions
from vqaserve.families.options import read_options
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

log = logging.getLogger(__name__)

_HELD_OUT, _STEPS, _BATCH, _LEARNING_RATE = 0.1, 1500, 64, 3e-3
_WEIGHTS = ("*.safetensors", "*.bin", "*.index.json")


def tune_last_layer(recipe: Path, new: Sequence[Question], old: Sequence[Question], state: Path, output: Path) -> None:
    """Train the last layer of a recipe's classifier on, and write the model into ``output``.

    Args:
        recipe: The recipe's folder.
        new: Questions to learn, about at least two pictures.
        old: Questions that it was trained on; without them, its own answers are kept.
        state: Folder of what the network before the last layer computed, for a run that was interrupted.
        output: A copy of the recipe.

    Raises:
        RecipeError: The recipe, a question or a picture cannot be used.
    """
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    plain = {"device": "cpu", "precision": "fp32", "options": {**settings.options, "runtime": "torch"}}
    family = HfClassifier.load(recipe, settings.model_copy(update=plain))
    name, layer = _last_layer(family.model, len(family.answers))
    lesson = Lesson.of(new, old, family.answers)
    kept, held_out = hold_out(lesson.new, _HELD_OUT, 0)  # none of the old ones, which the model knows by heart
    pairs = [] if lesson.old else draw_pairs(kept, sample_texts(recipe), 0)
    rehearsed = [Question(image, text, ()) for image, text in pairs]
    inputs = _inputs(family, layer, [*kept, *lesson.old, *rehearsed, *held_out], state)
    independent = read_options(ClassifierOptions, settings).scores == "sigmoid"
    student = widened_layer(layer, len(lesson.answers))

    def data(questions: Sequence[Question]) -> _Data:
        rows = torch.stack([inputs[_key(one)] for one in questions])
        with torch.no_grad():
            own = family.scores(student(rows))
        return _Data(rows, _targets(questions, own, lesson.answers, independent), independent)

    best = _trained(student, data([*kept, *lesson.old, *rehearsed]), data(held_out))
    _write(family, name, best, lesson.answers, output / settings.weights)


@dataclass(frozen=True, slots=True)
class _Data:
    """What the last layer is trained on.

    Attributes:
        inputs: Its inputs [n, width].
        targets: Target probabilities [n, answers].
        independent: Whether each answer has a probability of its own (``scores: sigmoid``).
    """

    inputs: Tensor
    targets: Tensor
    independent: bool

    def loss(self, layer: nn.Linear, rows: Tensor) -> Tensor:
        """The mean loss of some rows."""
        logits, targets = layer(self.inputs[rows]), self.targets[rows]
        if self.independent:
            return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1).mean()
        loss: Tensor = -(targets * logits.log_softmax(1)).sum(1).mean()
        return loss

    @torch.no_grad()
    def accuracy(self, layer: nn.Linear) -> float:
        """The share of rows whose best answer is one of the likeliest targets."""
        best = layer(self.inputs).argmax(1, keepdim=True)
        return float((self.targets.gather(1, best)[:, 0] >= self.targets.max(1).values).float().mean())


def _last_layer(model: nn.Module, answers: int) -> tuple[str, nn.Linear]:
    found = [(name, one) for name, one in model.named_modules() if isinstance(one, nn.Linear)]
    if not found or found[-1][1].out_features != answers:
        raise RecipeError(f"the last layer of {type(model).__name__} is not linear over its {answers} answers")
    return found[-1]


@torch.inference_mode()
def _inputs(family: HfClassifier, layer: nn.Linear, questions: Sequence[Question], state: Path) -> dict[str, Tensor]:
    """What the network gives to its last layer [width], by picture and question; kept in ``state``."""
    known: dict[str, Tensor] = {}
    content = json.dumps([fingerprint(questions), hashlib.sha256(layer.weight.numpy().tobytes()).hexdigest()])
    cache = state / "inputs.pt"
    if cache.exists():
        stored = load_state(cache, {"content", "inputs"})
        known = stored["inputs"] if stored["content"] == content else {}
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    by_picture = [list(asked) for _, asked in groupby(sorted(questions, key=_image), _image)]
    shown = track(by_picture, "asking the network", console=new_console(stderr=True), transient=True)
    try:
        for number, asked in enumerate(shown, 1):
            if all(_key(one) in known for one in asked):
                continue
            [features] = family.encode([open_pixels(asked[0].image)])
            seen.clear()
            family.forward([features] * len(asked), [Query(b"", one.text) for one in asked])
            known |= dict(zip(map(_key, asked), torch.cat(seen), strict=True))
            if number % 50 == 0 or number == len(by_picture):
                save_state(cache, {"content": content, "inputs": known})
    finally:
        hook.remove()
    return known


def _image(question: Question) -> Path:
    return question.image


def _key(question: Question) -> str:
    return f"{question.image}\n{question.text}"


def _targets(questions: Sequence[Question], own: Tensor, answers: Sequence[str], independent: bool) -> Tensor:
    """Target probabilities [n, answers]; of a question without answers, the model's own scores."""
    number = {answer: place for place, answer in enumerate(answers)}
    targets = own.clone()
    for row, question in enumerate(questions):
        if right := {number[answer] for answer in question.answers}:
            targets[row] = 0
            targets[row, list(right)] = 1.0 if independent else 1 / len(right)
    return targets


def _trained(layer: nn.Linear, learned: _Data, held_out: _Data) -> nn.Linear:
    """The layer of the last epoch with the most right answers among those that were held out."""
    torch.manual_seed(0)
    layer = copy.deepcopy(layer)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=_LEARNING_RATE)
    best, most = copy.deepcopy(layer), held_out.accuracy(layer)
    for _ in range(max(10, _STEPS // -(-len(learned.inputs) // _BATCH))):
        for rows in torch.split(torch.randperm(len(learned.inputs)), _BATCH):
            optimiser.zero_grad()
            learned.loss(layer, rows).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if (right := held_out.accuracy(layer)) >= most:
            best, most = copy.deepcopy(layer), right
    log.info("held out: accuracy %.1f%%", 100 * most)
    return best


def _write(family: HfClassifier, name: str, layer: nn.Linear, answers: Sequence[str], weights: Path) -> None:
    """Replace the model's files in a copy of its folder."""
    kept = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    names = {str(place): answer for place, answer in enumerate(answers)}
    family.model.set_submodule(name, layer)
    for pattern in _WEIGHTS:
        for file in weights.glob(pattern):
            file.unlink()
    family.model.save_pretrained(weights)
    kept |= {"id2label": names, "label2id": {answer: int(place) for place, answer in names.items()}}
    (weights / "config.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    if (weights / "index_to_name.json").exists():
        (weights / "index_to_name.json").write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
