"""KServe's v1 protocol: ``POST /v1/models/<name>:predict`` with ``{"instances": [...]}``.

TorchServe passes the body on as it is (no service envelope: those break batching). The reply is
``{"predictions": [...]}`` of the same length and order, in which an entry may be an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import InvalidQuestion, MissingImage, VqaError
from vqaserve.protocols.base import Parameters, Protocol, as_json, failed_whole, notes, settle
from vqaserve.protocols.body import check_count, picture, validated
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Reply, Request


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BinaryValue(_Strict):
    """Bytes in JSON, as TensorFlow Serving and KServe write them."""

    b64: str = Field(description="Base64 of the picture file.")


class KServeInstance(_Strict):
    """One question about one picture."""

    image: BinaryValue | str | None = Field(default=None, description='``{"b64": ...}``, base64 or a data URI.')
    question: str | None = Field(default=None, description="The question.")
    parameters: Parameters = Parameters()


class KServeV1Request(_Strict):
    """The body."""

    instances: list[Any] = Field(description="One entry a question; each is a KServeInstance.")
    parameters: Parameters | None = Field(default=None, description="For instances that have none of their own.")


class KServeV1(Protocol):
    """A JSON object with ``instances`` is of this format."""

    def recognises(self, request: Request) -> bool:
        """Whether the body is a JSON object with ``instances``."""
        return isinstance(request.body, Mapping) and "instances" in request.body

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """An entry for each instance.

        Raises:
            BadRequest: The body is not of this shape.
            InvalidQuestion: There are no instances, or too many.
        """
        body = validated(KServeV1Request, request.body)
        check_count(len(body.instances), settings.limits)
        shared = {} if body.parameters is None else {"parameters": body.parameters}
        return [settle(partial(_query, instance, shared, settings)) for instance in body.instances]

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """``{"predictions": [{"answer", "confidence", "answers"} or an error, ...]}``."""
        del request
        if error := failed_whole(items):
            return self.refuse(error)
        predictions = [error.body if (error := item.error) else _entry(item) for item in items]
        return as_json({"predictions": predictions, "model": {"name": model.name, "version": model.version}})


def _query(instance: object, shared: Mapping[str, object], settings: HandlerSettings) -> Query:
    asked = validated(KServeInstance, {**shared, **instance} if isinstance(instance, Mapping) else instance)
    image = asked.image.b64 if isinstance(asked.image, BinaryValue) else asked.image
    if not image:
        raise MissingImage('the instance has no picture; send "image": {"b64": "<base64>"}')
    question = settings.question if asked.question is None else asked.question
    if question is None:
        raise InvalidQuestion('the instance has no question; send "question": "..."')
    return asked.parameters.query(picture(image), question)


def _entry(item: Item) -> dict[str, object]:
    best = item.ranked[0]
    rest = {name: value for name, value in best.items() if name != "score"}
    return {**rest, "confidence": best["score"], "answers": item.ranked, **notes(item)}
