"""The training loop, with a running mean of the weights, held-out scores, early stopping and resuming."""

from __future__ import annotations

import copy
import logging
import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from vqaops.training.arithmetic import autocast
from vqaops.training.batches import Batches
from vqaops.training.settings import TrainSettings
from vqaops.training.states import resume_state, save_state
from vqaserve.families.modular.model import ModularModel

log = logging.getLogger(__name__)

_KEYS = frozenset({"settings", "data", "model", "average", "best", "optimiser", "schedule", "history"})

ImageFeatures = Callable[[ModularModel, Tensor, Tensor], Tensor]
"""Returns features [m, cells, channels] for a model, picture numbers [m] and which of them to mirror [m]."""


def stored_features(features: Tensor) -> ImageFeatures:
    """Return a lookup in features [2, pictures, cells, channels]; the encoder does not run."""
    return lambda model, rows, mirrored: features[mirrored.long(), rows].float()


def encoded_pixels(pixels: Tensor) -> ImageFeatures:
    """Return an encoding of pixels [pictures, 3, height, width] by the model, so that its encoder is trained too."""

    def encode(model: ModularModel, rows: Tensor, mirrored: Tensor) -> Tensor:
        chosen = pixels[rows]
        return model.encode(torch.where(mirrored[:, None, None, None], chosen.flip(3), chosen))

    return encode


@dataclass(frozen=True, slots=True)
class Epoch:
    """One point of the learning curve; accuracy is exact match with the first correct answer."""

    loss: float
    train_accuracy: float
    held_out_loss: float
    held_out_accuracy: float

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.3f}, accuracy {self.train_accuracy:.1%}; "
            f"held out: loss {self.held_out_loss:.3f}, accuracy {self.held_out_accuracy:.1%}"
        )


class Trainer:
    """Trains one model and saves its state after each epoch; ``run`` resumes from a saved state.

    Args:
        model: The model to train.
        settings: The settings of the training.
        features: Features of the pictures.
        train: Batches to train on.
        held_out: Batches for early stopping and for the temperature.
        state: File of the state. A state of other settings or other data is ignored.
        data: Hash of the data.
    """

    def __init__(
        self,
        model: ModularModel,
        settings: TrainSettings,
        features: ImageFeatures,
        train: Batches,
        held_out: Batches,
        state: Path,
        data: str,
    ) -> None:
        self.model = model
        self.settings = settings
        self.features = features
        self.train = train
        self.held_out = held_out
        self.state = state
        self.data = data
        optimisation = settings.optimisation
        self.average = copy.deepcopy(model).eval()
        self.best = copy.deepcopy(self.average.state_dict())
        self.history: list[Epoch] = []
        self.optimiser = torch.optim.AdamW(
            [parameter for parameter in model.parameters() if parameter.requires_grad],
            lr=optimisation.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=optimisation.weight_decay,
            fused=True,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._learning_rate)

    def run(self) -> ModularModel:
        """Train until the last epoch or until no epoch of ``patience`` improved; return the best mean of the weights.

        Raises:
            RecipeError: The saved state cannot be read.
        """
        self._resume()
        optimisation = self.settings.optimisation
        with Progress(transient=True) as progress:
            for number in range(len(self.history), optimisation.epochs):
                if self._since_best() >= optimisation.patience:
                    log.info("stopped early: no improvement in %d epochs", optimisation.patience)
                    break
                bar = progress.add_task(f"epoch {number + 1}/{optimisation.epochs}", total=len(self.train))
                self._epoch(number, partial(progress.advance, bar))
                progress.remove_task(bar)
                self._save()
                log.info("epoch %d: %s", number + 1, self.history[-1])
        self.average.load_state_dict(self.best)
        return self.average

    def _epoch(self, number: int, advance: Callable[[], None]) -> None:
        # Each epoch has a seed of its own, so that a resumed run makes the same choices as one that never stopped.
        seed = self.settings.optimisation.seed * 10_000 + number
        torch.manual_seed(seed)
        self.model.train()
        loss = correct = total = 0.0
        for batch in self.train.varied(self.settings.augmentation, random.Random(seed)):
            with autocast(self.settings.optimisation.bf16):
                image = self.features(self.model, batch.pictures, batch.mirrored)
                logits = self.model.each(image, batch.which, batch.tokens, batch.mask)
            # The loss is of each head alone: heads that err differently are better once they are averaged.
            mean_loss = -(batch.targets * logits.float().log_softmax(2)).sum(2).mean()
            self._step(mean_loss)
            loss += mean_loss.item() * len(batch.first)
            correct += (logits[0].argmax(1) == batch.first).sum().item()
            total += len(batch.first)
            advance()
        held_out = _score(self.logits(self.held_out))
        self.history.append(Epoch(loss / total, correct / total, *held_out))
        if self._since_best() == 0:
            self.best = copy.deepcopy(self.average.state_dict())

    def _step(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.optimisation.clip)
        self.optimiser.step()
        self.schedule.step()
        with torch.no_grad():
            decay = self.settings.optimisation.average
            for mean, current in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(current, 1 - decay)
            for stored, buffer in zip(self.average.buffers(), self.model.buffers(), strict=True):
                stored.copy_(buffer)

    @torch.inference_mode()
    def logits(self, batches: Batches) -> tuple[Tensor, Tensor]:
        """Return the averaged model's logits [n, answers] and the numbers of the first correct answers [n]."""
        found = []
        for batch in batches.plain():
            image = self.features(self.average, batch.pictures, batch.mirrored)
            found.append((self.average(image, batch.which, batch.tokens, batch.mask), batch.first))
        logits, first = zip(*found, strict=True)
        return torch.cat(logits), torch.cat(first)

    def _learning_rate(self, step: int) -> float:
        """Return the factor of the peak rate: a linear warm-up, then half a cosine down to 0."""
        optimisation = self.settings.optimisation
        warmup = optimisation.warmup_epochs * len(self.train)
        done = (step - warmup) / max(1, optimisation.epochs * len(self.train) - warmup)
        return (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def _since_best(self) -> int:
        if not self.history:
            return 0
        # By accuracy, not by loss: overconfidence raises the loss only, and the temperature corrects it.
        scores = [epoch.held_out_accuracy for epoch in self.history]
        return len(scores) - 1 - scores.index(max(scores))

    def _save(self) -> None:
        save_state(
            self.state,
            {
                "settings": self.settings.model_dump(mode="json"),
                "data": self.data,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "best": self.best,
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "history": [asdict(epoch) for epoch in self.history],
            },
        )

    def _resume(self) -> None:
        same = {"settings": self.settings.model_dump(mode="json"), "data": self.data}
        if (state := resume_state(self.state, _KEYS, same)) is None:
            return
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        log.info("resumed after epoch %d", len(self.history))


def _score(found: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Return the loss and the accuracy of what ``Trainer.logits`` returned."""
    logits, first = found
    accuracy = (logits.argmax(1) == first).float().mean().item()
    return F.cross_entropy(logits, first).item(), accuracy
