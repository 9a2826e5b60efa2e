"""Validates decoded JSON with the schema of a format; an unknown name is reported with the nearest known one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from vqaserve.errors import BadRequest, InvalidQuestion
from vqaserve.limits import Limits
from vqaserve.validation import describe_faults

Schema = TypeVar("Schema", bound=BaseModel)


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a boolean is no number")
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
"""A whole number, also as text, as forms send it; pydantic alone takes ``true`` for 1."""
Real = Annotated[float, BeforeValidator(_no_boolean)]
"""A number, also as text."""

_MAX_VALUES = 10_000
"""Values in a body, nested ones included. Each fault costs a dictionary: 25 MB of unknown fields would take 6 s and
2 GB to refuse. The longest honest bodies, whole conversations, have some hundreds."""

_MAX_DEPTH = 32
_START = 512  # bytes that tell a file from text
_PIXELS = 3  # levels of lists: rows, columns, channels
_JSON_TYPES = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}


def validate(schema: type[Schema], content: object) -> Schema:
    """A body as its schema. A field that is null counts as not sent.

    Raises:
        BadRequest: The first faults in one message; or the body holds more than any schema could take.
    """
    if not isinstance(content, dict):
        raise BadRequest(f"the body is {json_type(content)}; send one JSON object")
    _refuse_pixels(content)
    _check_extent(content)
    try:
        return schema.model_validate(_without_nulls(content))
    except ValidationError as error:
        raise BadRequest(describe_faults(schema, error, noun="field")) from None


def json_type(value: object) -> str:
    """JSON's name of a value's type, such as ``a list`` or ``null``."""
    return "null" if value is None else f"a {_JSON_TYPES.get(type(value), type(value).__name__)}"


def text(value: object, field: str) -> str:
    """A form's field as text.

    Raises:
        BadRequest: It is a file, or not UTF-8.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode("utf-8-sig")
        except UnicodeDecodeError:
            if is_binary(value):
                raise BadRequest(
                    f"field {field!r:.80} holds a file; send text there, and a picture as 'image'"
                ) from None
            raise BadRequest(f"field {field!r:.80} is not UTF-8 text; send it as UTF-8") from None
    raise BadRequest(f"field {field!r:.80} is {json_type(value)}; send text")


def is_binary(value: bytes | bytearray) -> bool:
    """Whether bytes start like a file: with control characters that text in an ASCII-based charset does not have."""
    return any(byte < 9 for byte in value[:_START])


def is_text(value: bytes | bytearray) -> bool:
    """Whether bytes start as UTF-8 text; a picture file does not, since its header has control characters."""
    try:
        start = bytes(value[:_START]).decode()
    except UnicodeDecodeError as error:
        if error.start < _START - 4:  # else the cut may be in a character
            return False
        start = ""
    return all(letter.isprintable() or letter.isspace() for letter in start)


def check_count(questions: int, limits: Limits) -> None:
    """Refuse an empty or overlong list of questions.

    Raises:
        InvalidQuestion: There is none, or there are more than ``limits.max_questions``.
    """
    if not 1 <= questions <= limits.max_questions:
        raise InvalidQuestion(f"the request has {questions} questions; 1 to {limits.max_questions} are allowed")


def is_pixels(value: object) -> bool:
    """Whether a value is an array of numbers, judged by the first element of each list."""
    depth = 0
    while isinstance(value, list) and value and depth <= _PIXELS:
        value, depth = value[0], depth + 1
    return depth > 1 and isinstance(value, int | float)


def pixels_refused(where: str) -> BadRequest:
    """The error for a picture that came as an array."""
    return BadRequest(
        f"{where} holds the picture as numbers (pixels); send the file itself (JPEG, PNG, ...): its base64 in JSON, "
        "or its bytes in a form"
    )


def _refuse_pixels(content: dict[Any, Any]) -> None:
    for name, value in islice(_named(content), _MAX_VALUES):
        if is_pixels(value):
            raise pixels_refused(f"field {name!r:.80}")


def _named(content: dict[Any, Any], levels: int = 4) -> Iterator[tuple[str, object]]:
    """The values of a body with their names, also those of inner objects."""
    for name, value in content.items():
        yield str(name), value
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and levels > 1:
                yield from _named(inner, levels - 1)


def _check_extent(content: dict[Any, Any]) -> None:
    """Refuse a body of very many values or levels, without looking at more of it than is allowed.

    Raises:
        BadRequest: There are more than ``_MAX_VALUES`` or ``_MAX_DEPTH``.
    """
    left = _MAX_VALUES
    level: list[dict[Any, Any] | list[Any]] = [content]
    for _ in range(_MAX_DEPTH):
        left -= sum(map(len, level))
        if left < 0:
            raise BadRequest(f"the body holds more than {_MAX_VALUES:,} values; ask for less in one request")
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return
    raise BadRequest(f"the body is nested deeper than {_MAX_DEPTH} levels; send it as the documentation shows")


def _without_nulls(value: Any) -> Any:
    """A body without the fields that are null: serialisers write a field that is not set as null."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
