"""What a user may choose of the training of an adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Choices:
    """Options of a training; None leaves one to the training.

    Attributes:
        lora_rank: The rank of a new adapter's matrices.
        learning_rate: The highest one, after the warm-up.
        epochs: Rounds through the questions.
    """

    lora_rank: int | None = None
    learning_rate: float | None = None
    epochs: int | None = None


NO_CHOICES: Final = Choices()
