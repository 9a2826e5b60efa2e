"""A linear head on frozen features."""

from __future__ import annotations

import copy
import math

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from vqaops.training.classes.settings import ClassTrainSettings
from vqaops.training.export import fit_temperature
from vqaops.training.trainer import Epoch


class HeadTrainer:
    """Trains a linear layer from features to logits; ``run`` stops early and returns the best.

    Args:
        settings: The settings of the training.
        train: Features of several views of each picture [n, views, width], and the classes [n].
        held_out: The same of the pictures that decide when to stop, of one view.
    """

    def __init__(
        self, settings: ClassTrainSettings, classes: int, train: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor]
    ) -> None:
        self.settings = settings
        self.features, self.targets = train[0].float(), train[1]
        self.held_out, self.held_out_targets = held_out[0][:, 0].float(), held_out[1]
        deviation, self.mean = torch.std_mean(self.features.flatten(0, 1), 0)
        self.scale = deviation.clamp(min=1e-4)
        torch.manual_seed(settings.seed)
        self.layer = nn.Linear(self.features.shape[2], classes)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.history: list[Epoch] = []

    def run(self) -> tuple[nn.Linear, float]:
        """Train, and return the head and the temperature, which the head's weights contain.

        The head takes features as the network gives them, and the softmax of its logits is calibrated on the held-out
        pictures (Guo et al. 2017).
        """
        settings = self.settings
        optimiser = torch.optim.SGD(
            self.layer.parameters(), settings.learning_rate, momentum=0.9, weight_decay=settings.weight_decay
        )
        best, since = copy.deepcopy(self.layer), 0
        for number in track(range(settings.epochs), "training the head", transient=True):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * number / settings.epochs))
            loss, accuracy = self._epoch(optimiser, number)
            logits = self._logits(self.layer)
            held_out = F.cross_entropy(logits, self.held_out_targets).item()
            right = (logits.argmax(1) == self.held_out_targets).float().mean().item()
            since = since + 1 if self.history and held_out >= min(one.held_out_loss for one in self.history) else 0
            self.history.append(Epoch(loss, accuracy, held_out, right))
            if since == 0:
                best = copy.deepcopy(self.layer)
            elif since >= settings.patience:
                break
        temperature = fit_temperature(self._logits(best), self.held_out_targets)
        return self._unscaled(best, temperature), temperature

    def _epoch(self, optimiser: torch.optim.Optimizer, number: int) -> tuple[float, float]:
        """One pass over the pictures with a random view of each; returns the mean loss and accuracy."""
        rng = torch.Generator().manual_seed(self.settings.seed * 10_000 + number)
        count, views = self.features.shape[:2]
        view = torch.randint(views, (count,), generator=rng)
        loss = right = 0.0
        for rows in torch.split(torch.randperm(count, generator=rng), self.settings.batch):
            logits = self.layer((self.features[rows, view[rows]] - self.mean) / self.scale)
            step = F.cross_entropy(logits, self.targets[rows])
            optimiser.zero_grad()
            step.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            loss += step.item() * len(rows)
            right += (logits.argmax(1) == self.targets[rows]).sum().item()
        return loss / count, right / count

    @torch.inference_mode()
    def _logits(self, layer: nn.Linear) -> Tensor:
        logits: Tensor = layer((self.held_out - self.mean) / self.scale)
        return logits

    @torch.no_grad()
    def _unscaled(self, layer: nn.Linear, temperature: float) -> nn.Linear:
        """The layer that gives the same logits divided by the temperature, of features that are not standardised."""
        weight = layer.weight / self.scale / temperature
        plain = nn.Linear(layer.in_features, layer.out_features)
        plain.weight.copy_(weight)
        plain.bias.copy_(layer.bias / temperature - weight @ self.mean)
        return plain
