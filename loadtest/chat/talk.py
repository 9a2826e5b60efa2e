"""Pictures and conversations for the measurements, and the ways to answer them in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image

from loadtest.bench.photographs import photographs
from loadtest.chat.smolvlm import NEW_TOKENS, SIDE
from loadtest.pairs import QUESTIONS
from vqaserve.families import find_family
from vqaserve.settings import CacheLimits, ModelConfig
from vqaserve.types import Query, Turn

Result = TypeVar("Result")


@dataclass(frozen=True)
class Talk:
    """A picture and a conversation about it, which ends with a question."""

    picture: Image.Image
    turns: tuple[Turn, ...]

    def query(self, tokens: int = NEW_TOKENS) -> Query:
        """The query for an answer of that many tokens."""
        return Query(b"", self.turns[-1].text, 1, {"max_new_tokens": tokens}, conversation=self.turns)

    def then(self, answer: str, question: str) -> Talk:
        """The conversation with one more answer and question."""
        return Talk(self.picture, (*self.turns, Turn("assistant", (answer,)), Turn("user", (question,))))


def first_question(picture: Image.Image, number: int) -> Talk:
    """A conversation of one question, which is different for different numbers up to eight."""
    return Talk(picture, (Turn("user", (0, QUESTIONS[number % len(QUESTIONS)])),))


def square_pictures(count: int) -> list[Image.Image]:
    """Photographs of ``SIDE`` x ``SIDE`` pixels, all different."""
    made = photographs(count)
    return [Image.open(BytesIO(one)).convert("RGB").resize((SIDE, SIDE)) for one in made]


@dataclass
class Served:
    """What the handler does with a model: the family with its caches, without a server."""

    family: Any
    features: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, recipe: Path, **cache: int) -> Served:
        """Load a recipe on the CPU; ``cache`` changes the sizes of its caches."""
        settings = ModelConfig.read(recipe / "model-config.yaml").handler
        limits = CacheLimits(**{**settings.cache.model_dump(), **cache})
        changed = settings.model_copy(update={"device": "cpu", "cache": limits})
        return cls(find_family(settings.family).load(recipe, changed))

    def forget(self) -> None:
        """Empty the caches of pictures and of prompts."""
        self.features.clear()
        self.family.generator.prefixes.clear()

    def answer(self, talks: Sequence[Talk], tokens: int = NEW_TOKENS) -> list[list[int]]:
        """The tokens of the answers; a picture that was answered about is not encoded again."""
        for talk in talks:
            if id(talk.picture) not in self.features:
                (self.features[id(talk.picture)],) = self.family.encode([talk.picture])
        features = [self.features[id(talk.picture)] for talk in talks]
        outputs = self.family.forward(features, [talk.query(tokens) for talk in talks])
        return [list(output[0].tokens) for output in outputs]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of an answer."""
        text: str = self.family.generator.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()


@dataclass(frozen=True)
class Plain:
    """What transformers' documentation shows: processor, chat template and ``generate``, with the same model."""

    model: Any
    processor: Any

    @torch.inference_mode()
    def answer(self, talks: Sequence[Talk], tokens: int = NEW_TOKENS) -> list[list[int]]:
        """The tokens of the answers."""
        texts = [self._prompt(talk) for talk in talks]
        inputs = self.processor(
            images=[[talk.picture] for talk in talks],
            text=texts,
            padding=True,
            return_tensors="pt",
            add_special_tokens=False,
        )
        written = self.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        rows: list[list[int]] = written[:, inputs["input_ids"].shape[1] :].tolist()
        return rows

    def _prompt(self, talk: Talk) -> str:
        messages = [{"role": turn.role, "content": [_part(part) for part in turn.parts]} for turn in talk.turns]
        prompt: str = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return prompt


def _part(part: str | int) -> dict[str, str]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}


def cpu_seconds(work: Callable[[], Result]) -> tuple[Result, float]:
    """The result of some work, and the CPU time that this process spent on it."""
    began = time.process_time()
    result = work()
    return result, time.process_time() - began
