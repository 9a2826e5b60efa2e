"""JSON bodies of every format with faults: values replaced, removed or repeated, and pictures as odd data URIs."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from loadtest.fuzz.target import Target

JUNK: tuple[Callable[[random.Random], object], ...] = (
    lambda generator: generator.choice([None, True, -1, 0, 1e308, 10**400, "", "\ud800", [], {}]),
    lambda generator: "x" * generator.choice([100, 100_000, 5_000_000]),
    lambda generator: [generator.choice([1, "", None, [], {}])] * generator.choice([40, 9_000, 1_000_000]),
    lambda generator: {f"field{number}": 1 for number in range(generator.choice([40, 9_000, 500_000]))},
    lambda generator: json.loads("[" * (depth := generator.choice([20, 300])) + "]" * depth),
)
_LARGEST_INSPECTED = 30


def data_uris(picture: bytes) -> list[str]:
    """Return spellings of a picture as a data URI or base64, right and wrong ones."""
    text = base64.b64encode(picture).decode()
    safe = base64.urlsafe_b64encode(picture).decode()
    lines = "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    return [
        f"data:image/png;base64,{text}",
        f"DATA:Image/PNG;BASE64,{text}",
        f"data:image/png;charset=utf-8;base64,{text}",
        f'data:image/png;name="a;b,c.png";base64,{text}',
        f"data:;base64,{text}",
        f"data:,{quote(picture)}",
        f"data:image/png;base64,{quote(text, safe='')}",
        f" data:image/png;base64, {lines} ",
        f"data:image/png;base64,{safe.rstrip('=')}",
        f"data:text/html;base64,{text}",
        f"data:image/png;base64{text}",
        f"data:image/png;base64,{text[:-3]}",
        "data:",
        "data:image/png;base64,%",
        lines,
        safe,
        text.rstrip("="),
        f"{text}====",
    ]


def originals(target: Target) -> list[dict[str, Any]]:
    """Return bodies in each format that is not chosen by the path, those that the model answers among them."""
    image, fields = base64.b64encode(target.files[0]).decode(), target.fields
    labels = {"candidate_labels": ["a red thing", "a blue thing"], "hypothesis_template": "a photo of {}"}
    asked = {name: value for name, value in fields.items() if name in ("question", "labels")}
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
        for name, value in {"image": image, **asked}.items()
    ]
    return [
        {"image": image, **fields, "top_k": 2},
        {"image": image, "questions": ["what?", "why?"]},
        {"image": image, **labels},
        {"inputs": image, "parameters": labels},
        {"inputs": image, "question": "what?", "parameters": {"top_k": 2}},
        {"inputs": {"image": image, "question": "what?"}},
        {"instances": [{"image": {"b64": image}, **asked}]},
        {"inputs": tensors, "parameters": {"top_k": 2}},
    ]


def damaged_bodies(seed: int, target: Target) -> Iterator[bytes]:
    """Yield bodies with one to three faults each, without end; the same for the same seed."""
    generator, bodies, pictures = random.Random(seed), originals(target), data_uris(target.files[0])
    while True:
        if generator.random() < 0.2:
            yield json.dumps({"image": generator.choice(pictures), **target.fields}).encode()
            continue
        body = copy.deepcopy(generator.choice(bodies))
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
    """Yield each object or list with each of its keys or indices; large ones, which are junk, are left out."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if len(value) > _LARGEST_INSPECTED:
        return
    for key, inner in list(entries):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
