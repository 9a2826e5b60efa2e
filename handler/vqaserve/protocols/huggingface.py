"""The Hugging Face Hub's schemas of the tasks, as ``huggingface_hub.InferenceClient`` sends them.

``inputs`` has three shapes: the picture as base64 with ``question`` beside it (the client sends the picture a second
time as ``image``), the Hub's own ``{"image", "question"}``, or a list of either. ``parameters`` has ``top_k`` and the
candidate labels. For classification the client may send the picture alone as the body. The reply is a list of answers,
best first; for a list of inputs, it is a list of such lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import Field

from vqaserve.errors import BadRequest, MissingImage, VqaError
from vqaserve.protocols.base import Parameters, Protocol, Strict, as_json, failed_whole, query_or_error, remarks
from vqaserve.protocols.content import check_count, validate
from vqaserve.protocols.picture_text import read_file, read_picture
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Reply, Request

_CLIENTS = re.compile(r"\bhf_hub/|@huggingface/")
"""Product tokens of ``huggingface_hub`` (Python) and ``@huggingface/inference`` (JavaScript)."""

_KSERVE_NAMES = frozenset({"id", "outputs", "model_name", "model_version"})
"""Fields of a body that only the Open Inference Protocol has."""

_TENSOR_NAMES = frozenset({"name", "datatype", "shape", "data"})
"""An entry of ``inputs`` that has one of these names is a tensor of the Open Inference Protocol."""


class HuggingFaceInputs(Strict):
    """The nested form of ``inputs``."""

    image: str | None = Field(default=None, description="The picture file as base64 or as a data URI.")
    question: str | None = Field(default=None, description="The question.")


class HuggingFaceRequest(Strict):
    """The body. If ``inputs`` is a list, each entry is asked with the fields beside the list."""

    inputs: HuggingFaceInputs | str | None = Field(
        default=None, description="The nested form, or the picture as base64; or a list of them."
    )
    question: str | None = Field(default=None, description="The question, if ``inputs`` does not contain it.")
    image: str | None = Field(default=None, description="The picture, if ``inputs`` does not contain it.")
    parameters: Parameters = Parameters()
    options: dict[str, Any] | None = Field(default=None, description="Accepted without effect; a warning says so.")


class HuggingFace(Protocol):
    """A JSON object with ``inputs`` that are not tensors is of this format."""

    def recognises(self, request: Request) -> bool:
        """Whether the body is a JSON object with ``inputs`` that are not tensors, or a file from a client of the Hub.

        To classify a picture, the Hub's clients send the file as the body; their ``User-Agent`` tells them from others.
        """
        if isinstance(request.body, bytes | bytearray) and request.body:
            return _CLIENTS.search(request.headers.get("user-agent", "")) is not None
        if not isinstance(request.body, Mapping):
            return False
        inputs = request.body.get("inputs")
        if not isinstance(inputs, list):
            return inputs is not None
        if not inputs:  # of this format, unless something else is the other one's
            return not _KSERVE_NAMES & request.body.keys()
        return not any(isinstance(one, Mapping) and _TENSOR_NAMES & one.keys() for one in inputs)

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """A query for each of the inputs.

        Raises:
            BadRequest: A field is unknown or of the wrong type, or two fields contradict each other.
            MissingImage: There is no picture.
            InvalidQuestion: The list of inputs is too long.
            InvalidImage: The picture is neither base64 nor a data URI.
        """
        body = request.body
        if isinstance(body, bytes | bytearray):
            return [Query(read_file(bytes(body)))]
        if not isinstance(body, Mapping) or not isinstance(body["inputs"], list):
            return [_query(body)]
        check_count(len(body["inputs"]), settings.limits)
        return [query_or_error(partial(_query, {**body, "inputs": one})) for one in body["inputs"]]

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """``[{"answer", "score"}, ...]``, best first; the best one holds what the reply says beside the answers."""
        del model
        if error := failed_whole(items):
            return self.refuse(error)
        entries = [item.error.body if item.error else _entry(item) for item in items]
        is_list = isinstance(request.body, Mapping) and isinstance(request.body.get("inputs"), list)
        return as_json(entries if is_list else entries[0])


def _query(body: object) -> Query:
    if isinstance(body, Mapping) and body.get("inputs") is None:
        raise BadRequest('an entry of \'inputs\' is null; send the picture\'s base64, or {"image", "question"}')
    asked = validate(HuggingFaceRequest, body)
    given = asked.inputs if isinstance(asked.inputs, HuggingFaceInputs) else HuggingFaceInputs(image=asked.inputs)
    image = _one(given.image, asked.image, "image")
    question = _one(given.question, asked.question, "question")
    if not image:
        raise MissingImage("the request has no picture; send its base64 as 'inputs' or 'inputs.image'")
    unused = ["'options' has no effect on this server"] if asked.options else []
    return asked.parameters.query(read_picture(image), question, unused)


def _one(inner: str | None, outer: str | None, name: str) -> str | None:
    """A value that may stand in ``inputs`` and beside it, as long as both are the same."""
    if inner and outer and inner != outer:
        raise BadRequest(f"'inputs' and {name!r} hold two different values; send {name!r} once")
    return inner or outer


def _entry(item: Item) -> list[Mapping[str, object]]:
    best, *others = item.ranked.entries
    return [{**best, **remarks(item)}, *others]
