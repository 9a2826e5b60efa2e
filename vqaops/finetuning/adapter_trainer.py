"""The training loop of an adapter: the tokens of right answers, scores on held-out questions, and resuming."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from vqaops.console import new_console
from vqaops.questions import Question
from vqaops.training.pretrained import open_pixels
from vqaops.training.states import resume_state, save_state
from vqaops.training.trainer import Epoch
from vqaserve.cache import Cache, nbytes
from vqaserve.families.answer_logits import AnswerLogits
from vqaserve.families.generative import GenerativeFamily
from vqaserve.types import Query

log = logging.getLogger(__name__)

BATCH: Final = 8
_WARM_UP: Final = 0.1
"""Share of the steps in which the learning rate rises; then it falls to 0, both in a straight line."""

_LONGEST_STEP: Final = 1.0
"""The norm of the gradients of all weights is at most this."""

_KEPT_BYTES: Final = 2**30
"""Features of pictures in memory; those that do not fit are computed again."""

_KEYS: Final = frozenset({"settings", "data", "adapter", "best", "optimiser", "history"})


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """How an adapter is trained.

    Attributes:
        rank: Of the adapter.
        learning_rate: The highest one.
        epochs: Rounds through the questions.
    """

    rank: int
    learning_rate: float
    epochs: int


class AskedModel:
    """A family that is asked questions about picture files, and whose features of them are kept."""

    def __init__(self, family: GenerativeFamily[Any, Any]) -> None:
        """Keep no features yet."""
        self.family = family
        self._features: Cache[Any] = Cache(_KEPT_BYTES, nbytes)

    def features(self, image: Path) -> Any:
        """What the family computes of a picture.

        Raises:
            RecipeError: The picture cannot be read or decoded.
        """
        kept = self._features.get(image)
        if kept is None:
            [kept] = self.family.encode([open_pixels(image)])
            self._features.put(image, kept)
        return kept

    def logits(self, questions: Sequence[Question]) -> list[AnswerLogits]:
        """The logits of each question's first answer."""
        return self.family.answer_logits(
            [self.features(question.image) for question in questions],
            [Query(b"", question.text) for question in questions],
            [question.answers[0] for question in questions],
        )

    @torch.inference_mode()
    def answer(self, image: Path, text: str) -> str:
        """The answer that the family writes; empty if it was cut at its maximum length, which nobody should learn."""
        queries = [Query(b"", text)]
        [[best, *_]] = self.family.decode(self.family.forward([self.features(image)], queries), queries)
        return best.answer if best.writing and best.writing.finish_reason == "stop" else ""


class AdapterTrainer:
    """Trains the weights of a model that have gradients, and saves its state after each epoch."""

    def __init__(
        self,
        model: AskedModel,
        settings: AdapterSettings,
        train: Sequence[Question],
        held_out: Sequence[Question],
        state: Path,
        data: str,
    ) -> None:
        """Prepare a training.

        Args:
            model: The model, with its adapter.
            settings: How it is trained.
            train: Questions; the first answer of each is learned.
            held_out: Questions that decide which epoch is the best.
            state: File of the state. A state of other settings or other data is ignored.
            data: Hash of the data and of the weights.
        """
        self.model = model
        self.settings = settings
        self.train = train
        self.held_out = held_out
        self.state = state
        self.data = data
        network: torch.nn.Module = model.family.model
        self.weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        self.best = self._copy()
        self.history: list[Epoch] = []
        self.optimiser = torch.optim.AdamW(self.weights.values(), lr=settings.learning_rate, weight_decay=0.0)

    @property
    def best_epoch(self) -> Epoch:
        """The epoch with the most right answers to the held-out questions; of several, the one with the least loss."""
        return max(self.history, key=lambda epoch: (epoch.held_out_accuracy, -epoch.held_out_loss))

    def run(self) -> None:
        """Train all epochs, and leave the weights of the best one in the model.

        Raises:
            RecipeError: The saved state or a picture cannot be read.
        """
        self._resume()
        with Progress(console=new_console(stderr=True), transient=True) as progress:
            for number in range(len(self.history), self.settings.epochs):
                bar = progress.add_task(f"epoch {number + 1}/{self.settings.epochs}", total=len(self.train))
                self._epoch(number, partial(progress.advance, bar))
                progress.remove_task(bar)
                self._save()
                log.info("epoch %d: %s", number + 1, self.history[-1])
        self._load(self.best)

    @torch.no_grad()
    def score(self, questions: Sequence[Question]) -> tuple[float, float]:
        """The mean loss of a token, and the share of questions whose answer a greedy search would write."""
        loss = tokens = right = 0.0
        for start in range(0, len(questions), BATCH):
            for one in self.model.logits(questions[start : start + BATCH]):
                loss += _loss([one]).item() * len(one.tokens)
                tokens += len(one.tokens)
                right += _is_right(one)
        return loss / tokens, right / len(questions)

    def _epoch(self, number: int, advance: Callable[[int], None]) -> None:
        loss = right = 0.0
        for step, batch in enumerate(self._batches(number), number * self._steps):
            found = self.model.logits(batch)
            mean_loss = _loss(found)
            self._step(step, mean_loss)
            loss += mean_loss.item() * len(batch)
            right += sum(map(_is_right, found))
            advance(len(batch))
        self.history.append(Epoch(loss / len(self.train), right / len(self.train), *self.score(self.held_out)))
        if self.best_epoch is self.history[-1]:
            self.best = self._copy()

    def _batches(self, number: int) -> Iterator[list[Question]]:
        """The questions in an order that depends on the epoch alone, so that a resumed run takes the same."""
        order = list(self.train)
        random.Random(number).shuffle(order)
        return (order[start : start + BATCH] for start in range(0, len(order), BATCH))

    def _step(self, step: int, loss: Tensor) -> None:
        whole = self._steps * self.settings.epochs
        warm_up = max(1, round(_WARM_UP * whole))
        factor = (step + 1) / warm_up if step < warm_up else (whole - step) / max(1, whole - warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * factor
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights.values(), _LONGEST_STEP)
        self.optimiser.step()

    @property
    def _steps(self) -> int:
        return -(-len(self.train) // BATCH)

    def _copy(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def _load(self, weights: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.copy_(weights[name])

    def _save(self) -> None:
        save_state(
            self.state,
            {
                "settings": asdict(self.settings),
                "data": self.data,
                "adapter": self._copy(),
                "best": self.best,
                "optimiser": self.optimiser.state_dict(),
                "history": [asdict(epoch) for epoch in self.history],
            },
        )

    def _resume(self) -> None:
        same = {"settings": asdict(self.settings), "data": self.data}
        if (state := resume_state(self.state, _KEYS, same)) is None:
            return
        self._load(state["adapter"])
        self.best = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        log.info("resumed after epoch %d", len(self.history))


def _loss(answers: Sequence[AnswerLogits]) -> Tensor:
    """The mean loss of a token."""
    logits = torch.cat([one.logits.float() for one in answers])
    return F.cross_entropy(logits, torch.cat([one.tokens for one in answers]))


def _is_right(answer: AnswerLogits) -> bool:
    """Whether the likeliest token is right at each place, as a greedy search would find it."""
    return bool((answer.logits.argmax(1) == answer.tokens).all())
