"""What the wire formats share: reading JSON, text and base64, and refusing what does not validate."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from vqaserve.errors import BadRequest, InvalidImage, InvalidQuestion
from vqaserve.settings import Limits
from vqaserve.types import RemoteImage, Request
from vqaserve.validation import describe_faults

Schema = TypeVar("Schema", bound=BaseModel)

BINARY_HEADER = "inference-header-content-length"
"""Under it a body is JSON and raw tensors behind that: the Open Inference Protocol's binary extension."""

_VALUES = 10_000
"""Values in a body, its nested ones included. For each fault there is a dictionary in the end, so that 25 MB of unknown
fields would take 6 s and 2 GB to refuse; the longest honest bodies, whole conversations, have some hundreds."""

_DEPTH = 32

_JSON_STARTS = (b"{", b"[")


def decoded(request: Request) -> Request:
    """The request with a JSON body decoded, whatever content type it came under.

    TorchServe decodes JSON only under ``application/json``, and passes on broken JSON as bytes.

    Raises:
        BadRequest: The body says that it is JSON, or starts like it, and is not.
    """
    body = request.body
    if not isinstance(body, bytes | bytearray | str) or BINARY_HEADER in request.headers:
        return request
    text = body.encode() if isinstance(body, str) else bytes(body)
    declared = "json" in str(request.headers.get("content-type", ""))
    if not declared and not text.lstrip().startswith(_JSON_STARTS):
        return request
    try:
        return replace(request, fields={**request.fields, "body": json.loads(text)})
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number of thousands of digits, too deep
        raise BadRequest(f"the body is not JSON: {error!s:.200}; send one JSON object in UTF-8") from None


def validated(schema: type[Schema], content: object) -> Schema:
    """A body as its schema.

    Raises:
        BadRequest: The first faults, in one message; an unknown field comes with the nearest known name. Or there is
            more in it than any schema could take.
    """
    if not isinstance(content, Mapping):
        raise BadRequest(f"the body is a {type(content).__name__}; send one JSON object")
    _check_extent(content)
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise BadRequest(describe_faults(schema, error, "field")) from None


def _check_extent(content: Mapping[Any, Any]) -> None:
    """Refuse a body of very many values or levels; looks at no more of it than is allowed.

    Raises:
        BadRequest: There are more than ``_VALUES`` or ``_DEPTH``.
    """
    left = _VALUES
    level: list[Mapping[Any, Any] | list[Any]] = [content]
    for _ in range(_DEPTH):
        left -= sum(map(len, level))
        if left < 0:
            raise BadRequest(f"the body holds more than {_VALUES:,} values; ask for less at once")
        inner = (part.values() if isinstance(part, Mapping) else part for part in level)
        level = [value for values in inner for value in values if isinstance(value, Mapping | list)]
        if not level:
            return
    raise BadRequest(f"the body is nested deeper than {_DEPTH} levels; send it as the format's documentation shows")


def text(value: object, field: str) -> str:
    """A form field as text.

    Raises:
        BadRequest: It is not UTF-8, or not text at all.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadRequest(f"field {field!r:.80} is not UTF-8 text; send it as UTF-8") from None
    raise BadRequest(f"field {field!r:.80} is a {type(value).__name__}; send text")


def picture(value: str) -> bytes | RemoteImage:
    """The file behind a base64 string or a ``data:`` URI, or a URL to be fetched, if the recipe allows that.

    Raises:
        InvalidImage: It is neither.
    """
    head, comma, _ = value[:256].partition(",")
    if head.startswith("data:") and comma:
        if not head.endswith(";base64"):
            raise InvalidImage("the picture's data URI is not base64; write data:image/jpeg;base64,...")
        value = value[len(head) + 1 :]
    elif "://" in head:
        return RemoteImage(value)
    try:
        return base64.b64decode("".join(value.split()) if any(c in value for c in "\r\n ") else value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(f"the picture is not base64 ({error}); send the file's base64 or a data URI") from None


def check_count(questions: int, limits: Limits) -> None:
    """Refuse an empty or overlong list of questions.

    Raises:
        InvalidQuestion: None, or more than ``limits.max_questions``.
    """
    if not 1 <= questions <= limits.max_questions:
        raise InvalidQuestion(f"{questions} questions came; one request can hold 1 to {limits.max_questions}")
