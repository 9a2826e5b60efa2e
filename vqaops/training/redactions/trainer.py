"""The training loop of the network, with a running mean of its weights and resuming."""

from __future__ import annotations

import copy
import logging
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from vqaops.training.arithmetic import autocast
from vqaops.training.redactions.examples import Crops, batches
from vqaops.training.redactions.settings import RedactionTrainSettings
from vqaops.training.states import resume_state, save_state
from vqaserve.errors import RecipeError
from vqaserve.families.redactions.network import PageNet

log = logging.getLogger(__name__)

_KEYS = frozenset({"settings", "data", "model", "average", "optimiser", "history"})
CROPS = Crops(share=0.7, number=4, side=448)
_EDGE_WEIGHT = 4.0
"""Weight of a cell at a redaction's edge: the gap between two bars is a cell wide, and decides whether they are one."""


class RedactionTrainer:
    """Trains one network and saves its state after each epoch; ``run`` resumes from a saved state.

    Args:
        settings: The settings of the training.
        train: Files of the examples to train on.
        calibration: Files of the examples that the learning curve is measured on.
        state: File of the state. A state of other settings or other documents is ignored.
        data: Hash of the documents.
    """

    def __init__(
        self,
        settings: RedactionTrainSettings,
        train: Sequence[Path],
        calibration: Sequence[Path],
        state: Path,
        data: str,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.train = train
        self.calibration = calibration
        self.state = state
        self.data = data
        self.model = PageNet(settings.model)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.model).eval()
        self.history: list[tuple[float, float]] = []
        self.steps = -(-len(train) // settings.batch)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), weight_decay=settings.weight_decay)

    def start(self, weights: Mapping[str, Tensor]) -> None:
        """Begin with the weights of a first network.

        Raises:
            RecipeError: They are of another network.
        """
        try:
            for model in (self.model, self.average):
                model.load_state_dict(weights)
        except RuntimeError as error:
            raise RecipeError(
                f"the weights to start from are of another network: {' '.join(str(error).split())}"
            ) from None

    def run(self) -> PageNet:
        """Train until the last epoch, and return the mean of the weights.

        Raises:
            RecipeError: The saved state cannot be read.
        """
        self._resume()
        with Progress(transient=True) as progress:
            for number in range(len(self.history), self.settings.epochs):
                bar = progress.add_task(f"epoch {number + 1}/{self.settings.epochs}", total=self.steps)
                # Each epoch has a seed of its own, so that a resumed run makes the same choices.
                rng, total = random.Random(self.settings.seed * 10_000 + number), 0.0
                self.model.train()
                for step, (ink, truth) in enumerate(batches(self.train, self.settings.batch, rng, CROPS)):
                    total += self._step(ink, truth, number * self.steps + step)
                    progress.advance(bar)
                progress.remove_task(bar)
                self.history.append((total / self.steps, self._held_out_loss()))
                self._save()
                log.info("epoch %d: loss %.4f, other documents %.4f", number + 1, *self.history[-1])
        return self.average

    def _step(self, ink: Tensor, truth: Tensor, number: int) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * self._rate(number)
        with autocast(self.settings.bf16):
            logits = self.model(ink.contiguous(memory_format=torch.channels_last))
        loss = mask_loss(logits.float(), truth)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        # The mean follows closely at first, so that it does not keep the random weights of the beginning.
        decay = min(self.settings.average, (1 + number) / (10 + number))
        with torch.no_grad():
            for mean, current in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(current, 1 - decay)
            for stored, buffer in zip(self.average.buffers(), self.model.buffers(), strict=True):
                if stored.is_floating_point():
                    stored.lerp_(buffer, 1 - decay)
        return loss.item()

    def _rate(self, step: int) -> float:
        """The factor of the peak rate: a linear warm-up, then half a cosine down to 0."""
        whole = self.settings.epochs * self.steps
        warmup = max(1, min(100, whole // 10))
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, whole - warmup)))

    @torch.inference_mode()
    def _held_out_loss(self) -> float:
        losses = [
            mask_loss(self.average(ink), truth).item()
            for ink, truth in batches(self.calibration, self.settings.batch, None)
        ]
        return sum(losses) / len(losses)

    def _save(self) -> None:
        state = {
            "settings": self.settings.model_dump_json(),
            "data": self.data,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
        }
        save_state(self.state, state)

    def _resume(self) -> None:
        same = {"settings": self.settings.model_dump_json(), "data": self.data}
        if (state := resume_state(self.state, _KEYS, same)) is None:
            return
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = [(float(loss), float(other)) for loss, other in state["history"]]
        log.info("resumed after epoch %d", len(self.history))


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy of the cells, those at edges weighted, and the Dice loss of the batch (Milletari et al. 2016).

    Args:
        logits: Logits [n, rows, columns].
        truth: Redacted share of each cell [n, rows, columns].
    """
    widest, narrowest = F.max_pool2d(truth, 5, 1, 2), -F.max_pool2d(-truth, 5, 1, 2)
    weights = 1 + _EDGE_WEIGHT * (widest - narrowest)
    entropy = (F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * weights).sum() / weights.sum()
    found = logits.sigmoid()
    dice = 1 - (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)
    return entropy + 0.3 * dice
