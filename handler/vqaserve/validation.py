"""Strict models of settings, and one wording of pydantic's faults for requests and for files of settings."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError, model_validator

Location = Sequence[int | str]
Noun = Literal["key", "field", "entry"]

_SHOWN = 8  # faults that are described; the rest are counted
_LONGEST_NAME = 80
_LONGEST_MESSAGE = 200
_WHOLE: Mapping[Noun, str] = {"key": "the file", "field": "the body", "entry": "the line"}
_WITHOUT_INPUT = {"missing", "json_invalid"}  # what came is nothing, or a whole file


class FrozenModel(BaseModel):
    """Base class of settings: immutable, and a key that is not known is refused, as are infinity and NaN.

    A known key without a value, such as ``limits:`` above lines that are commented out, counts as missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        return {name: value for name, value in content.items() if value is not None or name not in cls.model_fields}


def describe_faults(schema: type[BaseModel], error: ValidationError, noun: Noun = "key") -> str:
    """Every fault with its place, what is allowed there and what came.

    Args:
        schema: The model that refused the content.
        error: What it raised.
        noun: What a name in the content is called: a ``field`` of a request, a ``key`` of a file, an
            ``entry`` of a line.

    Returns:
        For example ``unknown key 'handler.familly'; did you mean 'family'?; top_k: Input should be a valid integer,
        got 'x'``. Only the first eight faults are described, for a body may have thousands.
    """
    shown = list(islice(_descriptions(schema, error, noun), _SHOWN))
    more = error.error_count() - _SHOWN
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)


def _descriptions(schema: type[BaseModel], error: ValidationError, noun: Noun) -> Iterator[str]:
    faults = error.errors(include_url=False, include_context=False)
    locations = [fault["loc"] for fault in faults]
    for fault in faults:
        path, known = _locate(schema, fault["loc"])
        place = ".".join(path)[:_LONGEST_NAME]
        if fault["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(path[-1][:_LONGEST_NAME], known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"allowed: {', '.join(known) or 'nothing'}"
            yield f"unknown {noun} {place!r}; {hint}"
        elif not _is_other_branch(fault["loc"], locations):
            message = fault["msg"].removeprefix("Value error, ").partition(" or instance of ")[0][:_LONGEST_MESSAGE]
            place = place or ("" if fault["type"] == "value_error" else _WHOLE[noun])
            yield (f"{place}: " if place else "") + message + _what_came(fault["type"], fault["input"])


def _what_came(kind: str, value: object) -> str:
    whole = kind == "value_error" and isinstance(value, Mapping | BaseModel)  # the message names what is wrong in it
    return "" if whole or kind in _WITHOUT_INPUT else f", got {reprlib.repr(value)}"


def _locate(annotation: Any, location: Location) -> tuple[list[str], list[str]]:
    """A fault's place without pydantic's names for the branches of a union, and the names that are known there."""
    if not location:
        return [], []
    here, rest = location[0], location[1:]
    if _is_model(annotation):
        return _locate_in_model(annotation, location)
    if isinstance(here, int) or get_origin(annotation) in (dict, Mapping):
        inner = get_args(annotation)
        path, known = _locate(inner[-1 if get_origin(annotation) in (dict, Mapping) else 0] if inner else None, rest)
        return [str(here), *path], known
    branches = get_args(annotation)
    if any(here == getattr(branch, "__name__", None) and not _is_model(branch) for branch in (annotation, *branches)):
        return _locate(None, rest)  # a plain type of a union, such as str
    models = [branch for branch in branches if _is_model(branch)]
    if chosen := next((model for model in models if here in _tags(model)), None):
        return _locate(chosen, rest)
    containers = [branch for branch in branches if get_args(branch)]
    if models or containers:
        return _locate((models + containers)[0], location)
    return [str(part) for part in location], []


def _locate_in_model(model: type[BaseModel], location: Location) -> tuple[list[str], list[str]]:
    if issubclass(model, RootModel):
        return _locate(model.model_fields["root"].annotation, location)
    field = model.model_fields.get(str(location[0]))
    if field is None:
        return [str(part) for part in location], sorted(model.model_fields)
    path, known = _locate(field.annotation, location[1:])
    return [str(location[0]), *path], known


def _tags(model: type[BaseModel]) -> set[str]:
    """What pydantic calls a model among the branches of a union: its class, or a value that tells it apart."""
    literals = (field.annotation for field in model.model_fields.values() if get_origin(field.annotation) is Literal)
    return {model.__name__, *(value for literal in literals for value in get_args(literal))}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_other_branch(location: Location, others: Sequence[Location]) -> bool:
    """Whether a union's plain type is refused here only because the value is an object of another branch."""
    return (
        bool(location)
        and location[-1] == "str"
        and any(other[: len(location) - 1] == location[:-1] != other[:-1] for other in others)
    )
