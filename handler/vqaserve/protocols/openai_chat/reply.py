"""The JSON of a chat completion, of the list of models and of an error."""

from __future__ import annotations

import time
from collections.abc import Sequence

from vqaserve.errors import VqaError
from vqaserve.protocols.base import remarks
from vqaserve.types import Item, Model, Request
from vqaserve.writing import Token, Writing

UNWRITTEN = Writing(prompt_tokens=0, completion_tokens=0)
"""Stands for the answers of a classifier, which has no tokens to count."""


def completion(request: Request, item: Item, model: Model) -> dict[str, object]:
    """A ``chat.completion`` with a choice for each answer of equal standing."""
    wanted = item.query.choices
    writings = [answer.writing or UNWRITTEN for answer in item.answers[:wanted]]
    texts = [str(entry[item.ranked.noun]) for entry in item.ranked.entries[:wanted]]
    choices = [_choice(index, *written) for index, written in enumerate(zip(texts, writings, strict=True))]
    return {
        "id": f"chatcmpl-{request.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": f"{model.name}/{model.version}",
        "choices": choices,
        "usage": usage(writings),
        f"{item.ranked.noun}s": item.ranked.entries,
        **remarks(item),
    }


def usage(writings: Sequence[Writing]) -> dict[str, object]:
    """The tokens of the prompt and of all choices together."""
    prompt, written = writings[0].prompt_tokens, sum(writing.completion_tokens for writing in writings)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": writings[0].cached_tokens},
    }


def list_of_models(model: Model) -> dict[str, object]:
    """The list with one model."""
    entry = {"id": model.name, "object": "model", "created": 0, "owned_by": "vqaserve"}
    return {"object": "list", "data": [entry]}


def error_body(error: VqaError) -> dict[str, object]:
    """OpenAI's ``{"error": {...}}`` beside TorchServe's three keys."""
    inner = {"message": str(error), "type": type(error).__name__, "code": int(error.status), "param": None}
    return {"error": inner, **error.body}


def _choice(index: int, text: str, writing: Writing) -> dict[str, object]:
    return {
        "index": index,
        "message": {"role": "assistant", "content": text},
        "finish_reason": writing.finish_reason,
        "logprobs": log_probabilities(writing),
    }


def log_probabilities(writing: Writing) -> dict[str, object] | None:
    """The tokens of an answer with their log-probabilities, if the query asks for them."""
    return {"content": [_token(token) for token in writing.tokens], "refusal": None} if writing.tokens else None


def _token(token: Token) -> dict[str, object]:
    likeliest = [_probability(text, probability) for text, probability in token.likeliest]
    return {**_probability(token.text, token.log_probability), "top_logprobs": likeliest}


def _probability(text: str, log_probability: float) -> dict[str, object]:
    return {"token": text, "logprob": log_probability, "bytes": list(text.encode())}
