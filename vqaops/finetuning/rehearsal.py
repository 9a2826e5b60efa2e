"""Questions to which a model's own answers are kept, where the questions that it was trained on are not at hand.

The model's scores are the targets, as in Li and Hoiem, "Learning without Forgetting" (2016). What is asked about the
new pictures are the questions about other new pictures, and those of the recipe's samples, which show what else the
model can do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vqaops.questions import Question

Targets = Mapping[tuple[Path, str], Tensor]
"""Target probabilities of all answers [answers], by picture and question."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Questions, and the answers to keep.

    Attributes:
        questions: Each with the best of the model's answers.
        targets: The model's probabilities.
    """

    questions: tuple[Question, ...] = ()
    targets: Targets | None = None


_PAIRS = 3
"""Questions to rehearse for each one that is learned."""


def draw_pairs(questions: Sequence[Question], others: Sequence[str], seed: int) -> list[tuple[Path, str]]:
    """Pairs of a picture and a question, none of which is one of the questions.

    Args:
        questions: What is learned.
        others: Further questions that can be asked about any picture.
        seed: Of the draw.
    """
    rng = random.Random(seed)
    asked = {(question.image, question.text) for question in questions}
    learned, other = sorted({question.text for question in questions}), sorted(set(others))
    pools = [pool for pool in (learned, other) if pool]
    drawn = [(question.image, rng.choice(rng.choice(pools))) for question in questions for _ in range(_PAIRS)]
    return [pair for pair in dict.fromkeys(drawn) if pair not in asked]
