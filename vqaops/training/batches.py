"""Questions as batches of tensors, grouped by picture and augmented differently in every epoch."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from vqaops.evaluation import rewording
from vqaops.questions import Question
from vqaops.training.settings import Augmentation
from vqaops.training.vocabulary import UNKNOWN
from vqaserve.families.modular.preparation import to_tokens


class Batch(NamedTuple):
    """Pictures and all questions about them.

    Attributes:
        pictures: Numbers of the pictures [m].
        mirrored: Whether a picture is mirrored [m].
        which: Position in ``pictures`` of each question's picture [n].
        tokens: Token numbers [n, length].
        mask: True at tokens [n, length].
        targets: Target probability of each answer [n, answers]; the correct answers of a question share it equally.
        first: Number of the first correct answer [n].
    """

    pictures: Tensor
    mirrored: Tensor
    which: Tensor
    tokens: Tensor
    mask: Tensor
    targets: Tensor
    first: Tensor


class Batches:
    """Splits questions into batches; all questions about a picture are in the same batch."""

    def __init__(
        self,
        questions: Sequence[Question],
        images: Sequence[Path],
        answers: Sequence[str],
        tokenizer: Tokenizer,
        max_tokens: int,
        pictures_per_step: int,
        targets: Mapping[tuple[Path, str], Tensor] | None = None,
    ) -> None:
        """Group questions by their pictures.

        Args:
            questions: What is asked.
            images: All pictures, in the order of their features.
            answers: All answers of the model.
            tokenizer: The model's.
            max_tokens: Tokens of a question at most.
            pictures_per_step: Pictures in a batch.
            targets: Target probabilities [answers] by picture and question, in place of a question's own answers.
        """
        row = {image: number for number, image in enumerate(images)}
        self.number = {answer: number for number, answer in enumerate(answers)}
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.pictures_per_step = pictures_per_step
        self.targets = targets or {}
        self.unknown: int = tokenizer.get_vocab()[UNKNOWN]
        self.by_picture: dict[int, list[Question]] = defaultdict(list)
        for question in questions:
            self.by_picture[row[question.image]].append(question)

    def __len__(self) -> int:
        return -(-len(self.by_picture) // self.pictures_per_step)

    def plain(self) -> Iterator[Batch]:
        """Yield every question once, in order and without augmentation."""
        pictures = list(self.by_picture)
        for start in range(0, len(pictures), self.pictures_per_step):
            yield self._batch(pictures[start : start + self.pictures_per_step], Augmentation(), random.Random(0))

    def varied(self, augmentation: Augmentation, rng: random.Random) -> Iterator[Batch]:
        """Yield every question once, in random order and augmented."""
        pictures = list(self.by_picture)
        rng.shuffle(pictures)
        for start in range(0, len(pictures), self.pictures_per_step):
            yield self._batch(pictures[start : start + self.pictures_per_step], augmentation, rng)

    def _batch(self, pictures: list[int], augmentation: Augmentation, rng: random.Random) -> Batch:
        mirrored = [rng.random() < augmentation.mirror for _ in pictures]
        which, texts, answers, asked = [], [], [], []
        for place, picture in enumerate(pictures):
            for question in self.by_picture[picture]:
                text = question.text
                if rng.random() < augmentation.paraphrase:
                    text = rewording.paraphrase(text, rng)
                texts.append(rewording.mirror(text) if mirrored[place] else text)
                which.append(place)
                answers.append([self.number[answer] for answer in question.answers])
                asked.append((question.image, question.text))
        tokens, mask = to_tokens(texts, self.tokenizer, self.max_tokens)
        if augmentation.forget_words:
            chance = torch.tensor([[rng.random() for _ in row] for row in tokens])
            tokens[(chance < augmentation.forget_words) & mask] = self.unknown
        targets = torch.zeros(len(answers), len(self.number))
        for row, numbers in enumerate(answers):
            targets[row, numbers] = 1 / len(set(numbers))
            if (given := self.targets.get(asked[row])) is not None:
                targets[row] = given
        return Batch(
            torch.tensor(pictures),
            torch.tensor(mirrored),
            torch.tensor(which),
            tokens,
            mask,
            targets,
            torch.tensor([numbers[0] for numbers in answers]),
        )
