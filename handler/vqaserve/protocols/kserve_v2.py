"""The Open Inference Protocol (KServe v2, Triton) over HTTP: ``POST /v2/models/<name>/infer``.

In: BYTES tensors ``image`` [n] and ``question`` [n]; out: BYTES ``answer`` [n, k], FP32 ``score`` [n, k]. In JSON
a picture is base64 text. The binary extension is understood on input: with the header
``inference-header-content-length: N`` the first N bytes are JSON and raw tensors follow, each BYTES element
behind a 4-byte little-endian length. The reply is always JSON. The protocol has no error for one entry, so the first
error is the whole reply's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import BadRequest, InvalidQuestion, MissingImage, VqaError
from vqaserve.protocols.base import Parameters, Protocol, as_json
from vqaserve.protocols.body import BINARY_HEADER, check_count, picture, text, validated
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, RemoteImage, Reply, Request

_OF_THE_REPLY = ("binary_data_output",)


class InputTensor(BaseModel):
    """One input tensor."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=64, description="``image`` or ``question``.")
    shape: list[int] = Field(max_length=2, description="``[n]``, or ``[n, 1]``.")
    datatype: str = Field(description="``BYTES``.")
    parameters: dict[str, Any] = Field(default={}, description="``binary_data_size``, ``content_type``.")
    data: list[Any] | None = Field(default=None, description="Base64 pictures, or questions.")


class KServeV2Request(BaseModel):
    """The body, or its JSON part."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    id: str | None = Field(default=None, max_length=256, description="Comes back in the reply.")
    model_name: str | None = Field(default=None, description="Sent by kserve's client; the path decides.")
    model_version: str | None = Field(default=None, description="Likewise.")
    inputs: list[InputTensor] = Field(max_length=2)
    outputs: list[Any] | None = Field(default=None, description="Ignored: both outputs always come.")
    parameters: dict[str, Any] = Field(default={}, description="``top_k`` and what a generative model takes.")


class KServeV2(Protocol):
    """A JSON object whose ``inputs`` are a list of tensors is of this format, as is the binary extension."""

    def recognises(self, request: Request) -> bool:
        """Whether the body is of the protocol's JSON form, or its header announces the binary form."""
        body = request.body
        return BINARY_HEADER in request.headers or (isinstance(body, Mapping) and isinstance(body.get("inputs"), list))

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """A query for each element of the tensors; one picture may serve for all questions.

        Raises:
            BadRequest: The body is not of this shape, or the tensors do not fit together.
            MissingImage: There is no tensor ``image``.
            InvalidQuestion: There is no tensor ``question`` and the recipe has no question of its own; or there are
                too many.
            InvalidImage: A picture is not base64.
        """
        body, raw = _split(request)
        tensors = _tensors(body.inputs, raw, settings.limits.max_questions)
        unknown = sorted(tensors.keys() - {"image", "question"})
        if unknown:
            raise BadRequest(f"unknown input {unknown[0]!r:.40}; the inputs are 'image' and 'question'")
        if not tensors.get("image"):
            raise MissingImage("no input 'image' came; send a BYTES tensor of that name")
        default = [] if settings.question is None else [settings.question]
        questions = [text(value, "question") for value in tensors.get("question", default)]
        if not questions:
            raise InvalidQuestion("no input 'question' came; send a BYTES tensor of that name")
        count = max(len(tensors["image"]), len(questions))
        check_count(count, settings.limits)
        (image,) = (tensor for tensor in body.inputs if tensor.name == "image")
        images = [_file(value, image) for value in tensors["image"]]
        if len(images) not in (1, count) or len(questions) not in (1, count):
            raise BadRequest(
                f"{len(images)} pictures and {len(questions)} questions came; send as many of each, or one"
            )
        asked = {name: value for name, value in body.parameters.items() if name not in _OF_THE_REPLY}
        parameters = validated(Parameters, asked)
        return [
            parameters.query(images[index % len(images)], questions[index % len(questions)]) for index in range(count)
        ]

    def refuse(self, error: VqaError) -> Reply:
        """The protocol's ``{"error"}`` and TorchServe's three keys."""
        return as_json({"error": str(error), **error.body}, error.status)

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """Tensors ``answer`` and ``score`` [n, k]; warnings as text in ``parameters``, which hold no lists."""
        for item in items:
            if error := item.error:
                return self.refuse(error)
        shape = [len(items), min(len(item.ranked) for item in items)]
        ranked = [entry for item in items for entry in item.ranked[: shape[1]]]
        answer = {"name": "answer", "shape": shape, "datatype": "BYTES", "data": [one["answer"] for one in ranked]}
        score = {"name": "score", "shape": shape, "datatype": "FP32", "data": [one["score"] for one in ranked]}
        content: dict[str, object] = {"model_name": model.name, "model_version": model.version}
        asked = _split(request)[0].id
        content |= {"id": asked} if asked else {}
        warned = [f"{row}: {text}" for row, item in enumerate(items) for text in item.warnings]
        content |= {"parameters": {"warnings": "; ".join(warned)}} if warned else {}
        return as_json({**content, "outputs": [answer, score]})


def _split(request: Request) -> tuple[KServeV2Request, memoryview]:
    """The JSON part, and the raw tensors behind it."""
    length, body = request.headers.get(BINARY_HEADER), request.body
    if length is None or not isinstance(body, bytes | bytearray):
        return validated(KServeV2Request, body), memoryview(b"")
    try:
        size = int(length)
        head = json.loads(body[:size])
    except ValueError as error:
        raise BadRequest(
            f"the first {length!r:.20} bytes are not JSON, as {BINARY_HEADER} says: {error!s:.200}"
        ) from None
    return validated(KServeV2Request, head), memoryview(body)[size:]


def _tensors(inputs: Sequence[InputTensor], raw: memoryview, most: int) -> dict[str, list[str | bytes]]:
    """Elements of each input: text from JSON, bytes from the raw part, which holds the tensors in their order."""
    tensors: dict[str, list[str | bytes]] = {}
    for tensor in inputs:
        if tensor.name in tensors:
            raise BadRequest(f"input {tensor.name!r} came twice; send each input once")
        if tensor.datatype != "BYTES":
            raise BadRequest(f"input {tensor.name!r} is {tensor.datatype!r:.20}; send BYTES")
        size = tensor.parameters.get("binary_data_size")
        found: Iterator[str | bytes]
        if size is None:
            found = _flat(tensor.name, tensor.data or [])
        elif isinstance(size, int) and 0 <= size <= len(raw):
            found, raw = _unpacked(tensor.name, raw[:size]), raw[size:]
        else:
            raise BadRequest(
                f"input {tensor.name!r} announces {size!r:.20} raw bytes, and {len(raw):,} are left; send all"
            )
        elements: list[str | bytes] = list(islice(found, most + 1))  # 24 MB may hold six million empty ones
        if len(elements) > most:
            raise InvalidQuestion(f"input {tensor.name!r} has more than {most} elements, which one request can hold")
        if math.prod(tensor.shape) != len(elements):
            raise BadRequest(
                f"input {tensor.name!r} has shape {tensor.shape} and {len(elements)} elements; make them agree"
            )
        tensors[tensor.name] = elements
    return tensors


def _flat(name: str, data: Sequence[object]) -> Iterator[str]:
    """Text out of lists of any depth, row by row."""
    for value in data:
        if isinstance(value, list):
            yield from _flat(name, value)
        elif isinstance(value, str):
            yield value
        else:
            raise BadRequest(f"input {name!r} holds a {type(value).__name__}; in JSON send BYTES as text")


def _unpacked(name: str, raw: memoryview) -> Iterator[bytes]:
    while raw:
        if len(raw) < 4 or len(raw) - 4 < (length := int.from_bytes(raw[:4], "little")):
            raise BadRequest(
                f"input {name!r} is cut off: an element is shorter than its 4-byte length says; send it whole"
            )
        yield bytes(raw[4 : 4 + length])
        raw = raw[4 + length :]


def _file(value: str | bytes, tensor: InputTensor) -> bytes | RemoteImage:
    """A picture file: raw, or as base64 text, which in JSON is the only way."""
    if isinstance(value, bytes) and tensor.parameters.get("content_type") != "base64":
        return value
    return picture(text(value, "image"))
