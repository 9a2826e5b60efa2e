"""JSON bodies of every format with something wrong inside: a value replaced, lost or repeated very often."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

JUNK: tuple[Callable[[random.Random], object], ...] = (
    lambda generator: generator.choice([None, True, -1, 0, 1e308, 10**400, "", "\ud800", [], {}]),
    lambda generator: "x" * generator.choice([100, 100_000, 5_000_000]),
    lambda generator: [generator.choice([1, "", None, [], {}])] * generator.choice([40, 9_000, 1_000_000]),
    lambda generator: {f"field{number}": 1 for number in range(generator.choice([40, 9_000, 500_000]))},
    lambda generator: json.loads("[" * (depth := generator.choice([20, 300])) + "]" * depth),
)


def originals(picture: bytes) -> list[dict[str, Any]]:
    """A body that is answered, in each format that a path does not choose."""
    image, question = base64.b64encode(picture).decode(), "what?"
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
        for name, value in (("image", image), ("question", question))
    ]
    return [
        {"image": image, "question": question, "top_k": 2},
        {"image": image, "questions": [question, "why?"]},
        {"inputs": image, "question": question, "parameters": {"top_k": 2}},
        {"inputs": {"image": image, "question": question}},
        {"instances": [{"image": {"b64": image}, "question": question}]},
        {"inputs": tensors, "parameters": {"top_k": 2}},
    ]


def damaged_bodies(count: int, seed: int, picture: bytes) -> Iterator[bytes]:
    """So many, each with one to three faults; the same for the same seed."""
    generator, whole = random.Random(seed), originals(picture)
    for _ in range(count):
        body = copy.deepcopy(generator.choice(whole))
        for _ in range(generator.choice([1, 1, 2, 3])):
            _damage(body, generator)
        yield json.dumps(body).encode()


def _damage(body: dict[str, Any], generator: random.Random) -> None:
    places = list(_places(body))
    if not places:
        return
    holder, key = generator.choice(places)
    if generator.random() < 0.1:
        del holder[key]
    else:
        holder[key] = generator.choice(JUNK)(generator)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each object or list, with the keys or numbers under which it holds something; not of what was put in here."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if len(value) > 30:
        return
    for key, inner in list(entries):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
