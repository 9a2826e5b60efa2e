"""KServe's v1 protocol: ``POST /v1/models/<name>:predict`` with ``{"instances": [...]}``.

TorchServe passes the body on unchanged; its own KServe envelope is not used, since it breaks batching. The reply is
``{"predictions": [...]}`` in the same order, in which an entry may be an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import Field

from vqaserve.errors import BadRequest, MissingImage, VqaError
from vqaserve.protocols.base import Parameters, Protocol, Strict, as_json, failed_whole, query_or_error, remarks
from vqaserve.protocols.content import check_count, is_pixels, json_type, pixels_refused, validate
from vqaserve.protocols.picture_text import read_picture
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Reply, Request


class BinaryValue(Strict):
    """Bytes in JSON, as TensorFlow Serving and KServe write them."""

    b64: str = Field(description="Base64 of the picture file.")


class KServeInstance(Strict):
    """One question about one picture, or its candidate labels."""

    image: BinaryValue | str | None = Field(default=None, description='``{"b64": ...}``, base64 or a data URI.')
    question: str | None = Field(default=None, description="The question.")
    labels: list[str] | str | None = Field(default=None, description="Zero-shot classification: the labels.")
    parameters: Parameters = Parameters()


class KServeV1Request(Strict):
    """The body."""

    instances: list[Any] = Field(description="One entry for each question; each is a KServeInstance.")
    parameters: Parameters | None = Field(
        default=None, description="For all instances; an instance's own value of a name wins."
    )


class KServeV1(Protocol):
    """A JSON object with ``instances`` is of this format."""

    def recognises(self, request: Request) -> bool:
        """Whether the body is a JSON object with ``instances``."""
        return isinstance(request.body, Mapping) and request.body.get("instances") is not None

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """A query for each instance, or its error.

        Raises:
            BadRequest: The body is not of this shape.
            InvalidQuestion: There are no instances, or too many.
        """
        if isinstance(request.body, Mapping) and is_pixels(request.body.get("instances")):
            raise pixels_refused("field 'instances'")
        body = validate(KServeV1Request, request.body)
        check_count(len(body.instances), settings.limits)
        shared = {} if body.parameters is None else body.parameters.model_dump(exclude_none=True)
        return [query_or_error(partial(_query, instance, shared)) for instance in body.instances]

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """``{"predictions": [{"answer", "confidence", "answers"} or an error, ...]}``, or ``label`` and ``labels``."""
        del request
        if error := failed_whole(items):
            return self.refuse(error)
        predictions = [item.error.body if item.error else _entry(item) for item in items]
        return as_json({"predictions": predictions, "model": {"name": model.name, "version": model.version}})


def _query(instance: object, shared: Mapping[str, object]) -> Query:
    if not isinstance(instance, Mapping):
        raise BadRequest(
            f'the instance is {json_type(instance)}; send {{"image": {{"b64": "..."}}, "question": "..."}}'
        )
    own = instance.get("parameters")
    parameters = {**shared, **own} if isinstance(own, Mapping) else own or shared
    asked = validate(KServeInstance, {**instance, "parameters": parameters})
    image = asked.image.b64 if isinstance(asked.image, BinaryValue) else asked.image
    if not image:
        raise MissingImage('the instance has no picture; send "image": {"b64": "<base64>"}')
    return asked.parameters.query(read_picture(image), asked.question, labels=asked.labels)


def _entry(item: Item) -> dict[str, object]:
    return {**item.ranked.summary, **remarks(item)}
