"""How an answer is written token by token, for the families that write."""

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

Written = tuple[list[int], float]
"""Tokens of an answer, without the prompt's, and the probability of all of them."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is searched for; queries of one manner are written together.

    Attributes:
        max_new_tokens: Length of the longest answer.
        num_beams: Beams searched; 1 is greedy.
        answers: Answers given back; more than one needs as many beams.
        temperature: 0 takes the most probable token; above, it is drawn.
        seed: For the draw, made of the question: the same request gets the same answer, alone or in any batch.
    """

    max_new_tokens: int
    num_beams: int
    answers: int
    temperature: float
    seed: int

    @classmethod
    def of(cls, query: Query, max_new_tokens: int) -> Manner:
        """What a query asks; ``max_new_tokens`` is for one that does not say."""
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
        """For ``generate``; what else the folder's ``generation_config.json`` says is kept."""
        drawn: dict[str, Any] = {"do_sample": True, "temperature": self.temperature}
        greedy: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        arguments = {
            **(drawn if self.temperature else greedy),
            "max_new_tokens": self.max_new_tokens,
            "num_beams": self.num_beams,
            "num_return_sequences": self.answers,
        }
        # Beams are ranked by the probability of the whole answer, since that is the score which the client sees.
        return {**arguments, "length_penalty": 0.0} if self.num_beams > 1 else arguments


def parameter_ranges(limits: Limits) -> Mapping[str, tuple[float, float]]:
    """What a client may set of a model that writes."""
    return {"max_new_tokens": (1, limits.max_new_tokens), "num_beams": (1, limits.max_beams), "temperature": (0, 2)}


def check_manner(query: Query) -> None:
    """Refuse parameters that do not go together.

    Raises:
        InvalidParameter: A number of tokens or beams is not whole, or beams are asked to be drawn.
    """
    for name in ("max_new_tokens", "num_beams"):
        if query.parameters.get(name, 1) % 1:
            raise InvalidParameter(f"{name} is {query.parameters[name]:g}; it must be a whole number")
    if query.parameters.get("temperature", 0) and query.parameters.get("num_beams", 1) > 1:
        raise InvalidParameter("temperature and num_beams came together; beams are searched, not drawn: send one")


def in_manners(queries: Sequence[Query], max_new_tokens: int) -> list[tuple[Manner, list[int]]]:
    """Rows of the queries that can be written together; a batch shares its random numbers, so drawn ones stay alone."""
    groups: dict[tuple[Manner, int | None], list[int]] = {}
    for row, query in enumerate(queries):
        manner = Manner.of(query, max_new_tokens)
        groups.setdefault((manner, row if manner.temperature else None), []).append(row)
    return [(manner, rows) for (manner, _), rows in groups.items()]


@torch.inference_mode()
def write(model: Any, inputs: Mapping[str, Any], manner: Manner, **options: Any) -> list[list[Written]]:
    """Write the answers to a batch.

    Args:
        model: What has ``generate``.
        inputs: Its inputs; ``input_ids`` [n, length] are the start of what it gives back, padded on the left.
        manner: How to search.
        options: Passed on to ``generate``.

    Returns:
        For each row of the batch its answers, most probable first.
    """
    with _seeded(manner):
        result = model.generate(
            **inputs,
            **manner.arguments,
            **options,
            return_dict_in_generate=True,
            output_logits=manner.num_beams == 1,
            output_scores=manner.num_beams > 1,
        )
    tokens = result.sequences[:, inputs["input_ids"].shape[1] :]
    ends = _ends(tokens, options.get("eos_token_id", model.generation_config.eos_token_id))
    logs = _greedy_logs(tokens, ends, result.logits) if manner.num_beams == 1 else result.sequences_scores
    written = [
        (row[:end], probability)
        for row, end, probability in zip(tokens.tolist(), ends.tolist(), logs.float().exp().tolist(), strict=True)
    ]
    return [written[first : first + manner.answers] for first in range(0, len(written), manner.answers)]


@contextmanager
def _seeded(manner: Manner) -> Iterator[None]:
    """Draw from random numbers of its own; a search draws none."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()), enabled=manner.temperature > 0):
        if manner.temperature:
            torch.manual_seed(manner.seed)
        yield


def _ends(tokens: Tensor, eos: int | Sequence[int] | None) -> Tensor:
    """Length of each row with its end token [n]; what follows that is padding."""
    stops = torch.isin(tokens, torch.tensor([] if eos is None else eos, device=tokens.device, dtype=tokens.dtype))
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device).expand_as(tokens)
    return torch.where(stops, places, tokens.shape[1]).amin(1)


def _greedy_logs(tokens: Tensor, ends: Tensor, logits: Sequence[Tensor]) -> Tensor:
    """Log of the probability of each row's tokens up to its end [n], before any temperature."""
    steps = [
        step.float().log_softmax(1).gather(1, token[:, None])[:, 0]
        for step, token in zip(logits, tokens.T, strict=True)
    ]
    logs = torch.stack(steps, 1)
    within = torch.arange(logs.shape[1], device=logs.device) < ends[:, None]
    return logs.where(within, 0.0).sum(1)


def merge(texts: Sequence[tuple[str, float]]) -> tuple[Answer, ...]:
    """Answers, best first; beams that spell the same answer are one, with the sum of their probabilities."""
    scores: dict[str, float] = {}
    for text, score in texts:
        scores[text] = scores.get(text, 0.0) + score
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    return tuple(Answer(text, min(score, 1.0)) for text, score in ranked)
