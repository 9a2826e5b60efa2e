"""Text generation: search settings, calls of ``generate``, and the probability of each answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqaserve.errors import InvalidParameter
from vqaserve.settings import Limits
from vqaserve.types import Answer, Query

GeneratedAnswer = tuple[list[int], float]
"""The tokens of an answer without its prompt, and the product of their probabilities."""


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How answers are searched for; queries with equal settings are generated in one batch.

    Attributes:
        max_new_tokens: Maximum length of an answer.
        num_beams: Number of beams; 1 means greedy search.
        answers: Number of answers to return, at most ``num_beams``.
        temperature: 0 takes the most probable token; above 0, tokens are sampled.
        seed: Seed for sampling, derived from the question, so that a request gets the same answer alone and in any
            batch.
    """

    max_new_tokens: int
    num_beams: int
    answers: int
    temperature: float
    seed: int

    @classmethod
    def of(cls, query: Query, max_new_tokens: int) -> GenerationSettings:
        """The settings of a query; ``max_new_tokens`` is the default for a query that does not set it."""
        asked = query.parameters
        beams = int(asked.get("num_beams", 1))
        temperature = float(asked.get("temperature", 0))
        return cls(
            max_new_tokens=int(asked.get("max_new_tokens", max_new_tokens)),
            num_beams=beams,
            answers=min(query.top_k or 1, beams),
            temperature=temperature,
            seed=zlib.crc32(query.question.encode()) if temperature else 0,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of ``generate``; other values of the folder's ``generation_config.json`` stay in force."""
        drawn: dict[str, Any] = {"do_sample": True, "temperature": self.temperature}
        greedy: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        arguments = {
            **(drawn if self.temperature else greedy),
            "max_new_tokens": self.max_new_tokens,
            "num_beams": self.num_beams,
            "num_return_sequences": self.answers,
        }
        # Beams are ranked by the probability of the whole answer, because that is the score in the reply.
        return {**arguments, "length_penalty": 0.0} if self.num_beams > 1 else arguments


def parameter_ranges(limits: Limits) -> Mapping[str, tuple[float, float]]:
    """The range of each parameter that a client may send to a generative model."""
    return {"max_new_tokens": (1, limits.max_new_tokens), "num_beams": (1, limits.max_beams), "temperature": (0, 2)}


def check_parameters(query: Query) -> None:
    """Refuse fractions, and parameters that exclude each other.

    Raises:
        InvalidParameter: ``max_new_tokens`` or ``num_beams`` is not a whole number, or ``temperature`` came with beams.
    """
    for name in ("max_new_tokens", "num_beams"):
        if query.parameters.get(name, 1) % 1:
            raise InvalidParameter(f"{name} is {query.parameters[name]:g}; it must be a whole number")
    if query.parameters.get("temperature", 0) and query.parameters.get("num_beams", 1) > 1:
        raise InvalidParameter("temperature and num_beams came together; beam search does not sample, so send only one")


def group_by_settings(queries: Sequence[Query], max_new_tokens: int) -> list[tuple[GenerationSettings, list[int]]]:
    """Group the rows of queries that can be generated in one batch.

    A sampled query gets a group of its own, because all rows of a batch draw from one random number generator.
    """
    groups: dict[tuple[GenerationSettings, int | None], list[int]] = {}
    for row, query in enumerate(queries):
        settings = GenerationSettings.of(query, max_new_tokens)
        groups.setdefault((settings, row if settings.temperature else None), []).append(row)
    return [(settings, rows) for (settings, _), rows in groups.items()]


@torch.inference_mode()
def generate(
    model: Any, inputs: Mapping[str, Any], settings: GenerationSettings, **options: Any
) -> list[list[GeneratedAnswer]]:
    """Generate the answers of a batch.

    Args:
        model: A transformers model with ``generate``.
        inputs: Its inputs. The output begins with ``input_ids`` [n, length], which are padded on the left.
        settings: The search settings of all rows.
        options: Further arguments of ``generate``.

    Returns:
        The answers of each row, most probable first.
    """
    with _seeded(settings):
        result = model.generate(
            **inputs,
            **settings.arguments,
            **options,
            return_dict_in_generate=True,
            output_logits=settings.num_beams == 1,
            output_scores=settings.num_beams > 1,
        )
    tokens = result.sequences[:, inputs["input_ids"].shape[1] :]
    lengths = _lengths(tokens, options.get("eos_token_id", model.generation_config.eos_token_id))
    logs = (
        _greedy_log_probabilities(tokens, lengths, result.logits)
        if settings.num_beams == 1
        else result.sequences_scores
    )
    written = [
        (row[:length], probability)
        for row, length, probability in zip(tokens.tolist(), lengths.tolist(), logs.float().exp().tolist(), strict=True)
    ]
    return [written[first : first + settings.answers] for first in range(0, len(written), settings.answers)]


@contextmanager
def _seeded(settings: GenerationSettings) -> Iterator[None]:
    """Seed sampling without touching the global random state; a search needs no seed."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()), enabled=settings.temperature > 0):
        if settings.temperature:
            torch.manual_seed(settings.seed)
        yield


def _lengths(tokens: Tensor, eos: int | Sequence[int] | None) -> Tensor:
    """Length of each row up to and including its end token [n]; the rest of a row is padding."""
    stops = torch.isin(tokens, torch.tensor([] if eos is None else eos, device=tokens.device, dtype=tokens.dtype))
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device).expand_as(tokens)
    return torch.where(stops, places, tokens.shape[1]).amin(1)


def _greedy_log_probabilities(tokens: Tensor, lengths: Tensor, logits: Sequence[Tensor]) -> Tensor:
    """Log-probability of each row's tokens up to its end token [n], at temperature 1."""
    steps = [
        step.float().log_softmax(1).gather(1, token[:, None])[:, 0]
        for step, token in zip(logits, tokens.T, strict=True)
    ]
    logs = torch.stack(steps, 1)
    within = torch.arange(logs.shape[1], device=logs.device) < lengths[:, None]
    return logs.where(within, 0.0).sum(1)


def merge_answers(texts: Sequence[tuple[str, float]]) -> tuple[Answer, ...]:
    """Rank answers by score; beams with the same text become one answer with the sum of their probabilities."""
    scores: dict[str, float] = {}
    for text, score in texts:
        scores[text] = scores.get(text, 0.0) + score
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    return tuple(Answer(text, min(score, 1.0)) for text, score in ranked)
