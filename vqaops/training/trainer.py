"""The loop: steps, a running mean of the weights, held-out scores, early stopping, resuming."""

from __future__ import annotations

import copy
import logging
import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from vqaops.training.batches import Batches
from vqaops.training.settings import TrainSettings
from vqaserve.families.modular.model import ModularModel

log = logging.getLogger(__name__)

Pictures = Callable[[ModularModel, Tensor, Tensor], Tensor]
"""Features [m, cells, channels] from a model, rows [m], and which of them are mirrored [m]."""


def stored_features(features: Tensor) -> Pictures:
    """Look features up in [2, pictures, cells, channels]; the encoder itself never runs."""
    return lambda model, rows, mirrored: features[mirrored.long(), rows].float()


def stored_pixels(pixels: Tensor) -> Pictures:
    """Encode pixels [pictures, 3, height, width] anew each time, so that the encoder learns too."""

    def encode(model: ModularModel, rows: Tensor, mirrored: Tensor) -> Tensor:
        seen = pixels[rows]
        return model.encode(torch.where(mirrored[:, None, None, None], seen.flip(3), seen))

    return encode


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of the learning curve; the accuracies are shares of exact first answers."""

    loss: float
    train_accuracy: float
    held_out_loss: float
    held_out_accuracy: float


class Trainer:
    """Trains one model; what it has done so far is kept in ``state``, and taken up again from there.

    A state of other settings or of other ``data``, a hash of the examples, is not taken up.
    """

    def __init__(
        self,
        model: ModularModel,
        settings: TrainSettings,
        pictures: Pictures,
        train: Batches,
        held_out: Batches,
        state: Path,
        data: str,
    ) -> None:
        self.model = model
        self.settings = settings
        self.pictures = pictures
        self.train = train
        self.held_out = held_out
        self.state = state
        self.data = data
        wanted = settings.optimisation
        self.average = copy.deepcopy(model).eval()
        self.best = copy.deepcopy(self.average.state_dict())
        self.history: list[Epoch] = []
        self.optimiser = torch.optim.AdamW(
            [parameter for parameter in model.parameters() if parameter.requires_grad],
            lr=wanted.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=wanted.weight_decay,
            fused=True,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._learning_rate)

    def run(self) -> ModularModel:
        """Train until the schedule ends or patience does; gives back the best mean of the weights."""
        self._resume()
        wanted = self.settings.optimisation
        with Progress(transient=True) as progress:
            for number in range(len(self.history), wanted.epochs):
                if self._since_best() >= wanted.patience:
                    log.info("stopped early: %d epochs without progress", wanted.patience)
                    break
                bar = progress.add_task(f"epoch {number + 1}/{wanted.epochs}", total=len(self.train))
                self._epoch(number, partial(progress.advance, bar))
                progress.remove_task(bar)
                self._save()
                log.info("epoch %d: %s", number + 1, _line(self.history[-1]))
        self.average.load_state_dict(self.best)
        return self.average

    def _epoch(self, number: int, advance: Callable[[], None]) -> None:
        # Seeded anew in each epoch: a resumed run then makes the same choices as one that never stopped.
        seed = self.settings.optimisation.seed * 10_000 + number
        torch.manual_seed(seed)
        self.model.train()
        loss = right = asked = 0.0
        for batch in self.train.varied(self.settings.augmentation, random.Random(seed)):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.optimisation.bf16):
                image = self.pictures(self.model, batch.pictures, batch.mirrored)
                logits = self.model.each(image, batch.which, batch.tokens, batch.mask)
            # Each head has to be right by itself; averaged afterwards, their different mistakes cancel.
            wrong = -(batch.targets * logits.float().log_softmax(2)).sum(2).mean()
            self._step(wrong)
            loss += wrong.item() * len(batch.first)
            right += (logits[0].argmax(1) == batch.first).sum().item()
            asked += len(batch.first)
            advance()
        held_out = _score(self.logits(self.held_out))
        self.history.append(Epoch(loss / asked, right / asked, *held_out))
        if self._since_best() == 0:
            self.best = copy.deepcopy(self.average.state_dict())

    def _step(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.optimisation.clip)
        self.optimiser.step()
        self.schedule.step()
        with torch.no_grad():
            keep = self.settings.optimisation.average
            for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)
            for kept, current in zip(self.average.buffers(), self.model.buffers(), strict=True):
                kept.copy_(current)

    @torch.inference_mode()
    def logits(self, batches: Batches) -> tuple[Tensor, Tensor]:
        """The averaged model's logits [n, answers] and the answers that count [n]."""
        found = []
        for batch in batches.plain():
            image = self.pictures(self.average, batch.pictures, batch.mirrored)
            found.append((self.average(image, batch.which, batch.tokens, batch.mask), batch.first))
        logits, first = zip(*found, strict=True)
        return torch.cat(logits), torch.cat(first)

    def _learning_rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to nothing."""
        wanted = self.settings.optimisation
        warmup = wanted.warmup_epochs * len(self.train)
        done = (step - warmup) / max(1, wanted.epochs * len(self.train) - warmup)
        return (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def _since_best(self) -> int:
        if not self.history:
            return 0
        # By accuracy, not loss: overconfidence costs loss only, and the temperature takes it back.
        scores = [epoch.held_out_accuracy for epoch in self.history]
        return len(scores) - 1 - scores.index(max(scores))

    def _save(self) -> None:
        self.state.parent.mkdir(parents=True, exist_ok=True)
        partial = self.state.with_suffix(".partial")
        torch.save(
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
            partial,
        )
        partial.replace(self.state)  # an interruption leaves the old state or the new one, never half of one

    def _resume(self) -> None:
        if not self.state.exists():
            return
        state: dict[str, Any] = torch.load(self.state, weights_only=True)
        if state["settings"] != self.settings.model_dump(mode="json"):
            log.info("%s is from other settings; starting anew", self.state)
            return
        if state.get("data") != self.data:
            log.info("%s is from other data; starting anew", self.state)
            return
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        log.info("resumed after epoch %d", len(self.history))


def _score(found: tuple[Tensor, Tensor]) -> tuple[float, float]:
    logits, first = found
    accuracy = (logits.argmax(1) == first).float().mean().item()
    return F.cross_entropy(logits, first).item(), accuracy


def _line(epoch: Epoch) -> str:
    return (
        f"loss {epoch.loss:.3f}, right {epoch.train_accuracy:.1%}; "
        f"held out {epoch.held_out_loss:.3f}, right {epoch.held_out_accuracy:.1%}"
    )
