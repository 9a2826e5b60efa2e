"""The Open Inference Protocol (KServe v2, Triton) over HTTP: ``POST /v2/models/<name>/infer``.

In: BYTES tensors ``image`` [n] and ``question`` [n], or ``labels`` [k] for all pictures of a zero-shot classification.
Out: BYTES ``answer`` [n, k], or ``label``, and FP32 ``score`` [n, k]; and BOOL ``abstained`` [n] if it is requested, or
if one is true. In JSON, a picture is base64 text. The protocol has no error for a single element, so the first error is
the whole reply's. Raw tensors are in ``tensors.py``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import Field

from vqaserve.errors import BadRequest, MissingImage, VqaError
from vqaserve.protocols.base import Parameters, Protocol, Strict, as_json
from vqaserve.protocols.body import BINARY_HEADER
from vqaserve.protocols.content import check_count, text, validate
from vqaserve.protocols.json_text import parse_json
from vqaserve.protocols.picture_text import read_picture
from vqaserve.protocols.tensors import InputTensor, OutputTensor, as_raw, read_tensors
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, RemoteImage, Reply, Request

PLATFORM = "vqaserve"
_ABSTAINED = "abstained"
_INPUTS, _OUTPUTS = ("image", "question", "labels"), ("answer", "label", "score", _ABSTAINED)
_BINARY, _BINARY_OUTPUT, _SHARED = "binary_data", "binary_data_output", "shared_memory"


class RequestedOutput(Strict):
    """An output that the client requests."""

    name: str = Field(max_length=64, description="``answer`` (or ``label``), ``score`` or ``abstained``.")
    parameters: dict[str, Any] = Field(default={}, description="``binary_data``: whether it comes as a raw tensor.")


class KServeV2Request(Strict):
    """The body, or its JSON part."""

    id: str | None = Field(default=None, max_length=256, description="The reply repeats it.")
    model_name: str | None = Field(default=None, description="Sent by kserve's client; the path decides.")
    model_version: str | None = Field(default=None, description="Sent by kserve's client; the path decides.")
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] = Field(
        default=[], description="Outputs to return; by default all, but ``abstained`` only if it is true."
    )
    parameters: dict[str, Any] = Field(
        default={}, description="``top_k`` and what a generative model takes; ``binary_data_output`` has no effect."
    )


class KServeV2(Protocol):
    """A JSON object with a list of tensors as ``inputs`` is of this format, and so is the binary extension."""

    def recognises(self, request: Request) -> bool:
        """Whether the body is of the protocol's JSON form, or a header announces the binary form."""
        body = request.body
        return BINARY_HEADER in request.headers or (isinstance(body, Mapping) and isinstance(body.get("inputs"), list))

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """A query for each element of the tensors; a tensor of one element serves for all of the other.

        Raises:
            BadRequest: The body is not of this shape, or the tensors do not fit together.
            MissingImage: There is no tensor ``image``.
            InvalidQuestion: There are too many.
            InvalidImage: A picture is not base64.
        """
        body, raw = _split(request)
        _check_names([tensor.name for tensor in body.inputs], _INPUTS, "input")
        _check_names([output.name for output in body.outputs], _OUTPUTS, "output")
        _check_parameters(body)
        limits = settings.limits
        most = {"image": limits.max_questions, "question": limits.max_questions, "labels": limits.max_labels}
        tensors = read_tensors(body.inputs, raw, most)
        if not tensors.get("image"):
            raise MissingImage("the request has no input 'image'; send a BYTES tensor of that name")
        questions = [text(value, "question") for value in tensors.get("question", [""])]
        count = max(len(tensors["image"]), len(questions))
        check_count(count, limits)
        (image,) = (tensor for tensor in body.inputs if tensor.name == "image")
        images = [_picture(value, image) for value in tensors["image"]]
        if len(images) not in (1, count) or len(questions) not in (1, count):
            raise BadRequest(
                f"the request has {len(images)} pictures and {len(questions)} questions; send as many of each, or one"
            )
        asked = {name: value for name, value in body.parameters.items() if name != _BINARY_OUTPUT}
        parameters = validate(Parameters, asked)
        labels = tuple(text(value, "labels") for value in tensors.get("labels", ()))
        rows = [(images[index % len(images)], questions[index % len(questions)]) for index in range(count)]
        return [parameters.query(picture, question, labels=labels) for picture, question in rows]

    def refuse(self, error: VqaError) -> Reply:
        """The protocol's ``{"error"}`` with TorchServe's three keys."""
        return as_json({"error": str(error), **error.body}, error.status)

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """The requested outputs, [n, k]; an output comes as a raw tensor if its entry has ``binary_data``.

        ``binary_data_output``, which tritonclient sends with every request that names no outputs, only allows raw
        tensors; the reply is JSON then. Warnings are one text in ``parameters``, since a parameter cannot be a list.
        """
        for item in items:
            if item.error:
                return self.refuse(item.error)
        body, _ = _split(request)
        content: dict[str, object] = {"model_name": model.name, "model_version": model.version}
        content |= {"id": body.id} if body.id else {}
        warned = [f"{row}: {text}" for row, item in enumerate(items) for text in item.warnings]
        content |= {"parameters": {"warnings": "; ".join(warned)}} if warned else {}
        tensors = _outputs(items)
        wanted = {output.name: bool(output.parameters.get(_BINARY)) for output in body.outputs}
        _check_names(list(wanted), list(tensors), "output")
        if not wanted:
            wanted = dict.fromkeys(tensors, False)
            if not any(item.abstained for item in items):
                del wanted[_ABSTAINED]
        if not any(wanted.values()):
            return as_json({**content, "outputs": [tensors[name].as_json() for name in wanted]})
        return as_raw(content, [(tensors[name], binary) for name, binary in wanted.items()])


def metadata(fields: Collection[str], noun: str) -> dict[str, object]:
    """The model's metadata, as ``GET /v2/models/<name>`` of the protocol returns it beside name and versions.

    Args:
        fields: What the model reads, by the names of the plain format.
        noun: What one of its ranked answers is called.
    """
    read = [name for name in _INPUTS if name in fields]
    return {
        "platform": PLATFORM,
        "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in read],
        "outputs": [
            {"name": noun, "datatype": "BYTES", "shape": [-1, -1]},
            {"name": "score", "datatype": "FP32", "shape": [-1, -1]},
            {"name": _ABSTAINED, "datatype": "BOOL", "shape": [-1]},
        ],
    }


def _split(request: Request) -> tuple[KServeV2Request, memoryview]:
    """The JSON part, and the raw tensors behind it."""
    length, body = request.headers.get(BINARY_HEADER), request.body
    if length is None or not isinstance(body, bytes | bytearray):
        return validate(KServeV2Request, body), memoryview(b"")
    size = int(length) if re.fullmatch(r"\s*\d{1,9}\s*", length) else -1
    if not 0 <= size <= len(body):
        raise BadRequest(
            f"{BINARY_HEADER} is {length!r:.20}, and the body has {len(body):,} bytes; send its JSON's length"
        )
    head = parse_json(bytes(body[:size]), what=f"the first part of {size:,} bytes, as {BINARY_HEADER} says,")
    return validate(KServeV2Request, head), memoryview(body)[size:]


def _check_names(names: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            all_known = f"{', '.join(map(repr, known[:-1]))} and {known[-1]!r}"
            raise BadRequest(f"unknown {what} {name!r:.40}; the {what}s are {all_known}")
        if names.count(name) > 1:
            raise BadRequest(f"{what} {name!r} occurs more than once; send each {what} once")


def _check_parameters(body: KServeV2Request) -> None:
    """Refuse parameters of tensors that change what a request means, and that are not supported here."""
    found = [("input", one.name, name) for one in body.inputs for name in one.parameters if name.startswith(_SHARED)]
    found += [("output", one.name, name) for one in body.outputs for name in one.parameters if name != _BINARY]
    for kind, tensor, name in found:
        raise BadRequest(f"{kind} {tensor!r} has the parameter {name!r:.40}, which is not supported; leave it out")


def _outputs(items: Sequence[Item]) -> dict[str, OutputTensor]:
    noun = items[0].ranked.noun
    shape = [len(items), min(len(item.ranked.entries) for item in items)]
    ranked = [entry for item in items for entry in item.ranked.entries[: shape[1]]]
    return {
        noun: OutputTensor(noun, shape, "BYTES", [entry[noun] for entry in ranked]),
        "score": OutputTensor("score", shape, "FP32", [entry["score"] for entry in ranked]),
        _ABSTAINED: OutputTensor(_ABSTAINED, [len(items)], "BOOL", [item.abstained for item in items]),
    }


def _picture(value: str | bytes, tensor: InputTensor) -> bytes | RemoteImage:
    """A picture file: raw, or as base64 text, which is the only way in JSON."""
    if isinstance(value, bytes) and tensor.parameters.get("content_type") != "base64":
        return value
    return read_picture(value)
