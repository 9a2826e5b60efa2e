"""A real checkpoint of the chat app, converted and served: it gives the answers of the app's own layers.

It is asked every 19th of DAQUAR's 5,673 questions. All of them, in half a minute:

    VQA_ALL_QUESTIONS=1 .venv/bin/python -m pytest tests/live/test_moving_over.py
"""

from __future__ import annotations

import os
import pickletools
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from vqaops.evaluation.predictions import predict
from vqaops.evaluation.scores import Prediction, compute_scores
from vqaops.paths import ROOT
from vqaops.questions import Question, read_questions
from vqaops.server.server import Server

SHARED = ROOT.parent / "shared"
SEED = SHARED / "seed_checkpoint"
DAQUAR = SHARED / "daquar"
# Every 19th of 5,673 questions is 299, spread over the pictures.
STEP = 1 if os.environ.get("VQA_ALL_QUESTIONS") == "1" else 19

needs_shared = pytest.mark.skipif(
    not (SEED.is_dir() and DAQUAR.is_dir()), reason=f"{SEED} and {DAQUAR} are needed; they are not part of the project"
)


class Original(nn.Module):
    """The app's layers, built from its description without the project's code."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.embedding = nn.Embedding(867, 50)
        self.lstm = nn.LSTM(50, 128, batch_first=True)
        self.fc = nn.Linear(512 + 128, 582)

    def forward(self, pixels: Tensor, tokens: Tensor) -> Tensor:
        last = self.lstm(self.embedding(tokens))[1][0][-1]
        return self.fc(torch.cat([self.cnn(pixels).flatten(1), last], dim=1))


@torch.inference_mode()
def original_answers(questions: Sequence[Question]) -> list[str]:
    """The app's answer to each question by itself, without padding.

    DAQUAR's copy ends every question in " ?", which neither the app's data nor its vocabulary had.
    """
    model = Original().eval()
    model.load_state_dict(torch.load(SEED / "best_model.pth", weights_only=True))
    numbers = words_of(SEED / "vocab.pkl")
    answers = [line.strip().lower() for line in (SEED / "answer_space.txt").read_text().splitlines()]

    @cache
    def pixels(path: Path) -> Tensor:
        array = np.asarray(Image.open(path).convert("RGB").resize((64, 64), Image.Resampling.BILINEAR))
        return torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float() / 255

    def answer(question: Question) -> str:
        words = question.text.lower().removesuffix("?").split()
        tokens = torch.tensor([[numbers.get(word, 1) for word in words]])
        return answers[int(model(pixels(question.image), tokens).argmax())]

    return [answer(question) for question in questions]


def words_of(pickled: Path) -> dict[str, int]:
    """The vocabulary, from the pickle's opcodes without running them: words and numbers alternate."""
    values = [value for _, value, _ in pickletools.genops(pickled.read_bytes())]
    words = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values[values.index(words[0]) :] if isinstance(value, int)]
    return dict(zip(words, numbers, strict=True))


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tmp_path_factory.mktemp("moving") / "chat"
    command = [sys.executable, "scripts/convert.py", SEED / "best_model.pth", "--vocab", SEED / "vocab.pkl"]
    subprocess.run([*command, "--answers", SEED / "answer_space.txt", "-o", recipe], cwd=ROOT, check=True)
    return recipe


def asked(serve: Callable[..., Server], recipe: Path, step: int) -> tuple[list[Prediction], list[str]]:
    questions = read_questions(DAQUAR / "eval.jsonl", DAQUAR / "images")[::step]
    return predict(serve(recipe).client, recipe.name, questions, 8).predictions, original_answers(questions)


@needs_shared
def test_the_converted_checkpoint_answers_as_its_own_layers_and_as_well(serve: Callable[..., Server], converted: Path):
    served, original = asked(serve, converted, STEP)
    assert [prediction.ranked[0] for prediction in served] == original
    assert compute_scores(served).top1 == pytest.approx(0.182, abs=3 * compute_scores(served).top1_error)
