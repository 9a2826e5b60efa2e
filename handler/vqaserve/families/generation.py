"""Text generation: search settings, calls of ``generate``, and the probability of each answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteriaList

from vqaserve.errors import InvalidParameter
from vqaserve.families.following import Follower, Listener
from vqaserve.families.generated import GeneratedAnswer
from vqaserve.limits import Limits
from vqaserve.types import Query

_LARGEST_SEED = 2**53
_MOST_LIKELIEST = 20


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How answers are searched for; queries with equal settings are generated in one batch.

    Attributes:
        max_new_tokens: Maximum length of an answer.
        num_beams: Number of beams; 1 means greedy search.
        answers: Number of answers to return, at most ``num_beams`` unless they are sampled.
        temperature: 0 takes the most probable token; above 0, tokens are sampled.
        top_p: Sampled tokens are among the most probable ones that have this probability together.
        seed: Seed for sampling; without one of the client it is derived from the question, so that a request gets the
            same answer alone and in any batch.
        top_logprobs: Likeliest tokens to report at each place; -1 reports no probabilities of tokens.
        stop: Texts that end an answer.
    """

    max_new_tokens: int
    num_beams: int = 1
    answers: int = 1
    temperature: float = 0
    top_p: float = 1
    seed: int = 0
    top_logprobs: int = -1
    stop: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: Query, max_new_tokens: int) -> GenerationSettings:
        """The settings of a query; ``max_new_tokens`` is the default for a query that does not set it."""
        asked = query.parameters
        beams = int(asked.get("num_beams", 1))
        temperature = float(asked.get("temperature", 0))
        return cls(
            max_new_tokens=int(asked.get("max_new_tokens", max_new_tokens)),
            num_beams=beams,
            answers=query.choices if temperature else min(query.top_k or 1, beams),
            temperature=temperature,
            top_p=float(asked.get("top_p", 1)) if temperature else 1,
            seed=int(asked.get("seed", zlib.crc32(query.question.encode()))) if temperature else 0,
            top_logprobs=int(asked.get("top_logprobs", -1)),
            stop=query.stop,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of ``generate``; other values of the folder's ``generation_config.json`` stay in force."""
        drawn: dict[str, Any] = {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p}
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
    return {
        "max_new_tokens": (1, limits.max_new_tokens),
        "num_beams": (1, limits.max_beams),
        "temperature": (0, 2),
        "top_p": (0, 1),
        "seed": (-_LARGEST_SEED, _LARGEST_SEED),
        "top_logprobs": (0, _MOST_LIKELIEST),
    }


def check_parameters(query: Query) -> None:
    """Refuse fractions, and parameters that exclude each other.

    Raises:
        InvalidParameter: A count or the seed is not a whole number, or the search is by beams and something else came
            that only sampling or a single search has.
    """
    for name in ("max_new_tokens", "num_beams", "seed", "top_logprobs"):
        if query.parameters.get(name, 1) % 1:
            raise InvalidParameter(f"{name} is {query.parameters[name]:g}; it must be a whole number")
    if query.parameters.get("num_beams", 1) > 1:
        if query.parameters.get("temperature", 0):
            raise InvalidParameter(
                "temperature and num_beams came together; beam search does not sample, so send only one"
            )
        if "top_logprobs" in query.parameters:
            raise InvalidParameter("probabilities of tokens and num_beams came together; send only one")


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
    model: Any,
    inputs: Mapping[str, Any],
    settings: GenerationSettings,
    prompt_tokens: Sequence[int],
    listener: Listener,
    **options: Any,
) -> list[list[GeneratedAnswer]]:
    """Generate the answers of a batch.

    Args:
        model: A transformers model with ``generate``.
        inputs: Its inputs. The output begins with ``input_ids`` [n, length], which are padded on the left.
        settings: The search settings of all rows.
        prompt_tokens: Tokens of each row's prompt, for the reply.
        listener: Hears what is written, if there is one answer to each row and no search by beams.
        options: Further arguments of ``generate``.

    Returns:
        The answers of each row, most probable first.
    """
    ends = end_tokens(options.get("eos_token_id", model.generation_config.eos_token_id))
    can_listen = listener.is_needed and settings.num_beams == settings.answers == 1
    followers = StoppingCriteriaList([Follower(listener, ends, prompt_tokens)] if can_listen else [])
    with _seeded(settings):
        result = model.generate(
            **inputs,
            **settings.arguments,
            **options,
            stopping_criteria=followers,
            return_dict_in_generate=True,
            output_logits=settings.num_beams == 1,
            output_scores=settings.num_beams > 1,
        )
    tokens = result.sequences[:, inputs["input_ids"].shape[1] :]
    lengths = _lengths(tokens, ends)
    logs = _log_probabilities(tokens, result.logits) if settings.num_beams == 1 else None
    answers = []
    for row, length in enumerate(lengths.tolist()):
        written = tuple(tokens[row, :length].tolist())
        token_logs = tuple(logs[row, :length].tolist()) if logs is not None else ()
        answers.append(
            GeneratedAnswer(
                tokens=written,
                log_probability=sum(token_logs) if logs is not None else float(result.sequences_scores[row]),
                prompt_tokens=prompt_tokens[row // settings.answers],
                ended=bool(written) and written[-1] in ends,
                token_logs=token_logs if settings.top_logprobs >= 0 else (),
                likeliest=_likeliest(result.logits, row, length, settings) if logs is not None else (),
            )
        )
    return [answers[first : first + settings.answers] for first in range(0, len(answers), settings.answers)]


def end_tokens(eos: int | Sequence[int] | None) -> frozenset[int]:
    """The tokens that end an answer, from a generation config's ``eos_token_id``."""
    return frozenset([eos] if isinstance(eos, int) else eos or ())


def likeliest_tokens(logs: Tensor, count: int) -> tuple[tuple[int, float], ...]:
    """The most probable tokens of ``logs`` [vocabulary] with their log-probabilities, best first."""
    best = logs.topk(count)
    return tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))


@contextmanager
def _seeded(settings: GenerationSettings) -> Iterator[None]:
    """Seed sampling without touching the global random state; a search needs no seed."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()), enabled=settings.temperature > 0):
        if settings.temperature:
            torch.manual_seed(settings.seed)
        yield


def _lengths(tokens: Tensor, ends: frozenset[int]) -> Tensor:
    """Length of each row up to and including its end token [n]; the rest of a row is padding."""
    stops = torch.isin(tokens, torch.tensor(sorted(ends), device=tokens.device, dtype=tokens.dtype))
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device).expand_as(tokens)
    return torch.where(stops, places, tokens.shape[1]).amin(1)


def _log_probabilities(tokens: Tensor, logits: Sequence[Tensor]) -> Tensor:
    """Log-probability of each row's tokens [n, length], at temperature 1."""
    steps = [
        step.float().log_softmax(1).gather(1, token[:, None])[:, 0]
        for step, token in zip(logits, tokens.T, strict=True)
    ]
    return torch.stack(steps, 1)


def _likeliest(
    logits: Sequence[Tensor], row: int, length: int, settings: GenerationSettings
) -> tuple[tuple[tuple[int, float], ...], ...]:
    if settings.top_logprobs <= 0:
        return ()
    return tuple(likeliest_tokens(step[row].float().log_softmax(0), settings.top_logprobs) for step in logits[:length])
