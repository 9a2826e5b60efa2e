"""Training examples as tensors: grouped by picture, varied anew in every epoch."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from vqaops.evaluation import rewording as wording
from vqaops.questions import Question
from vqaops.training.settings import Augmentation
from vqaops.training.vocabulary import UNKNOWN
from vqaserve.families.modular.preparation import to_tokens


class Batch(NamedTuple):
    """Pictures and all their questions.

    Attributes:
        pictures: Rows of the store of pictures [m].
        mirrored: Which of them are seen mirrored [m].
        which: Position in ``pictures`` that a question is about [n].
        tokens: Token numbers [n, length].
        mask: True at tokens [n, length].
        targets: Probability of each answer [n, answers], equal shares for all that were given.
        first: The answer that counts [n].
    """

    pictures: Tensor
    mirrored: Tensor
    which: Tensor
    tokens: Tensor
    mask: Tensor
    targets: Tensor
    first: Tensor


class Batches:
    """Cuts examples into batches of whole pictures."""

    def __init__(
        self,
        examples: Sequence[Question],
        images: Sequence[Path],
        answers: Sequence[str],
        tokenizer: Tokenizer,
        max_tokens: int,
        pictures_per_step: int,
    ) -> None:
        row = {image: number for number, image in enumerate(images)}
        self.number = {answer: number for number, answer in enumerate(answers)}
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.pictures_per_step = pictures_per_step
        self.unknown: int = tokenizer.get_vocab()[UNKNOWN]
        self.by_picture: dict[int, list[Question]] = defaultdict(list)
        for example in examples:
            self.by_picture[row[example.image]].append(example)

    def __len__(self) -> int:
        return -(-len(self.by_picture) // self.pictures_per_step)

    def plain(self) -> Iterator[Batch]:
        """Every example once, as it stands, in order."""
        pictures = list(self.by_picture)
        for start in range(0, len(pictures), self.pictures_per_step):
            yield self._batch(pictures[start : start + self.pictures_per_step], Augmentation(), random.Random(0))

    def varied(self, augmentation: Augmentation, rng: random.Random) -> Iterator[Batch]:
        """Every example once, shuffled and varied."""
        pictures = list(self.by_picture)
        rng.shuffle(pictures)
        for start in range(0, len(pictures), self.pictures_per_step):
            yield self._batch(pictures[start : start + self.pictures_per_step], augmentation, rng)

    def _batch(self, pictures: list[int], augmentation: Augmentation, rng: random.Random) -> Batch:
        mirrored = [rng.random() < augmentation.mirror for _ in pictures]
        which, questions, given = [], [], []
        for place, picture in enumerate(pictures):
            for example in self.by_picture[picture]:
                question = example.text
                if rng.random() < augmentation.paraphrase:
                    question = wording.paraphrase(question, rng)
                questions.append(wording.mirror(question) if mirrored[place] else question)
                which.append(place)
                given.append([self.number[answer] for answer in example.answers])
        tokens, mask = to_tokens(questions, self.tokenizer, self.max_tokens)
        if augmentation.forget_words:
            chance = torch.tensor([[rng.random() for _ in row] for row in tokens])
            tokens[(chance < augmentation.forget_words) & mask] = self.unknown
        targets = torch.zeros(len(given), len(self.number))
        for row, numbers in enumerate(given):
            targets[row, numbers] = 1 / len(set(numbers))
        return Batch(
            torch.tensor(pictures),
            torch.tensor(mirrored),
            torch.tensor(which),
            tokens,
            mask,
            targets,
            torch.tensor([numbers[0] for numbers in given]),
        )
