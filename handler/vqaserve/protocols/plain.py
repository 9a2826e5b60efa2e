"""The project's own format: a form or flat JSON with ``image`` and ``question`` (or ``questions``), ``top_k``.

``curl -F image=@photo.jpg -F 'question=What is on the table?'``, or JSON with the picture as base64 or a data
URI. TorchServe's habit of calling the file ``data`` is understood too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import AliasChoices, Field

from vqaserve.errors import BadRequest, InvalidQuestion, MissingImage
from vqaserve.protocols.base import Parameters, Protocol, as_json, failed_whole, notes
from vqaserve.protocols.body import check_count, picture, text, validated
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, RemoteImage, Reply, Request

_NOT_OURS = ("body", "model_name", "model_version")
"""What TorchServe's /invocations leaves among the fields; the body is read for itself."""


class PlainRequest(Parameters):
    """The flat JSON body."""

    image: str | None = Field(
        default=None,
        validation_alias=AliasChoices("image", "data"),
        description="The picture file as base64 or as a data URI.",
    )
    question: str | None = Field(default=None, description="One question.")
    questions: list[str] | None = Field(default=None, description="Several questions about the picture.")


class Plain(Protocol):
    """Takes every request that no other format recognises."""

    def recognises(self, request: Request) -> bool:
        """Always."""
        del request
        return True

    def parse(self, request: Request, settings: HandlerSettings) -> list[Query]:
        """One query, or one for each of ``questions``.

        Raises:
            BadRequest: A field is unknown or of the wrong type.
            MissingImage: No picture came.
            InvalidQuestion: No question came, or too many.
            InvalidImage: The picture's text is neither base64 nor a data URI.
        """
        asked, image = _read(request)
        if image is None:
            raise MissingImage(
                "no picture came; send it as the field 'image' (of a form that is cut off, the last field is lost)"
            )
        return [asked.query(image, question) for question in _questions(asked, settings)]

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """One object; for ``questions``, a list in their order, in which an entry may be an error.

        When every entry failed, the first error is the whole reply.
        """
        if error := failed_whole(items):
            return self.refuse(error)
        entries = [error.body if (error := item.error) else _entry(item, model) for item in items]
        return as_json(entries if _is_list(request) else entries[0])


def _read(request: Request) -> tuple[PlainRequest, bytes | RemoteImage | None]:
    """Body and fields as one request, and the picture file; a raw body is the picture."""
    fields = {name: value for name, value in request.fields.items() if name not in _NOT_OURS}
    body = request.body
    if body is not None and not isinstance(body, bytes | bytearray):
        words = {name: text(value, name) for name, value in fields.items()}
        asked = validated(PlainRequest, {**words, **body} if isinstance(body, Mapping) else body)
        return asked, None if asked.image is None else picture(asked.image)
    file = fields.pop("image", None) or fields.pop("data", None) or body or None
    if file is not None and not isinstance(file, bytes | bytearray | str):
        raise BadRequest("field 'image' of the form is not a file; send it as image=@photo.jpg")
    rest: dict[str, object] = {name: text(value, name) for name, value in fields.items()}
    if "questions" in rest:
        rest["questions"] = _json_list(str(rest["questions"]))
    if isinstance(file, str):
        return validated(PlainRequest, rest), picture(file)
    return validated(PlainRequest, rest), None if file is None else bytes(file)


def _json_list(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        raise BadRequest('form field \'questions\' is not JSON; send a list of strings: ["...", "..."]') from None


def _questions(asked: PlainRequest, settings: HandlerSettings) -> list[str]:
    if asked.questions is not None and asked.question is not None:
        raise BadRequest("both 'question' and 'questions' came; send one of them")
    if asked.questions is not None:
        check_count(len(asked.questions), settings.limits)
        return asked.questions
    question = settings.question if asked.question is None else asked.question
    if question is None:
        raise InvalidQuestion("no question came; send it as the field 'question' (curl -F 'question=...')")
    return [question]


def _is_list(request: Request) -> bool:
    body = request.body
    return "questions" in (body if isinstance(body, Mapping) else request.fields)


def _entry(item: Item, model: Model) -> dict[str, object]:
    best = item.ranked[0]
    return {
        **{name: value for name, value in best.items() if name != "score"},
        "confidence": best["score"],
        **({"abstained": True} if item.abstained else {}),
        "answers": item.ranked,
        "model": {"name": model.name, "version": model.version},
        **notes(item),
    }
