from __future__ import annotations

import random
from pathlib import Path

from vqaops.questions import Question
from vqaops.training.batches import Batches
from vqaops.training.datasets import read_split
from vqaops.training.settings import Augmentation
from vqaops.training.vocabulary import build_answers, build_tokenizer


def test_a_batch_keeps_each_question_with_its_picture(data: Path):
    examples = read_split(str(data), "train")
    images = sorted({example.image for example in examples})
    answers = build_answers(examples)
    batches = Batches(examples, images, answers, build_tokenizer("words", examples), 32, pictures_per_step=7)
    truth = {(example.image, example.answers[0]) for example in examples}
    seen = 0
    for batch in batches.varied(Augmentation(mirror=0.5, paraphrase=0.5), random.Random(0)):
        for which, target, first in zip(batch.which, batch.targets, batch.first, strict=True):
            assert (images[batch.pictures[which]], answers[first]) in truth
            assert target.argmax() == first
            seen += 1
    assert (seen, len(batches)) == (len(examples), 5)


def test_several_answers_share_the_target():
    examples = [Question(Path("a"), "what ?", ("cup", "book"))]
    batches = Batches(examples, [Path("a")], ["book", "cup", "lamp"], build_tokenizer("words", examples), 32, 1)
    (batch,) = batches.plain()
    assert batch.targets.tolist() == [[0.5, 0.5, 0.0]]
    assert batch.first.tolist() == [1]
