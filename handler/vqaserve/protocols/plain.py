"""The project's own format: a form or flat JSON with ``image`` and ``question`` (or ``questions``, or ``labels``).

``curl -F image=@photo.jpg -F 'question=What is on the table?'``, or JSON with the picture as base64 or a data URI. The
picture may also be called ``data``, as in TorchServe's examples, or be an address as ``image_url``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from pydantic import Field, create_model

from vqaserve.errors import BadRequest, MissingImage
from vqaserve.protocols.base import Parameters, Protocol, Strict, as_json, failed_whole, remarks
from vqaserve.protocols.content import check_count, is_binary, is_text, json_type, text, validate
from vqaserve.protocols.documents import document_reply
from vqaserve.protocols.json_text import parse_json
from vqaserve.protocols.picture_text import looks_like_picture, read_file, read_picture
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, RemoteImage, Reply, Request, Turn

_NOT_OURS = ("body", "model_name", "model_version")
"""Fields that are not the format's own: the body, and the names that TorchServe's /invocations adds."""

_BODY = "the body"
_PICTURES = ("image", "data", "image_url")
_OTHER_NAMES = {
    "image": (
        "file",
        "files",
        "upload",
        "photo",
        "picture",
        "pic",
        "img",
        "images",
        "image_file",
        "image_data",
        "input",
        "image_base64",
        "image_b64",
        "base64",
        "b64",
    ),
    "image_url": ("url", "uri", "image_uri", "img_url", "picture_url"),
    "top_k": ("k", "topk", "num_answers", "max_answers"),
    "question": ("prompt", "query", "text", "q", "message"),
    "labels": ("label", "captions", "classes", "candidates", "texts"),
}
"""What other servers call the fields; the error message gives the name that is used here."""
_WHAT = {
    "image": "the picture",
    "image_url": "the picture's address",
    "question": "the question",
    "labels": "the labels",
    "top_k": "the number of answers",
}


class Exchanged(Strict):
    """An earlier question about the picture, and the answer to it."""

    question: str
    answer: str


class PlainRequest(Parameters):
    """The flat JSON body."""

    image: str | None = Field(default=None, description="The picture file as base64 or as a data URI.")
    image_url: str | None = Field(
        default=None, description="The picture's address instead of ``image``; the reply then repeats the question."
    )
    question: str | None = Field(default=None, description="One question.")
    questions: list[str] | None = Field(default=None, description="Several questions about the picture.")
    labels: list[str] | str | None = Field(
        default=None, description="Zero-shot classification: the labels, as a list or separated by commas."
    )
    pages: str | None = Field(default=None, description="Documents: the pages to read, such as 1-16; all if left out.")
    conversation: list[Exchanged] | None = Field(
        default=None, description="Models that write: earlier questions about the picture with their answers."
    )


_KNOWN = frozenset({*PlainRequest.model_fields, *_PICTURES})


def request_schema(fields: Collection[str]) -> dict[str, object]:
    """The JSON schema of the flat body for a model that reads only these of its fields."""
    read: dict[str, Any] = {
        name: (field.annotation, field) for name, field in PlainRequest.model_fields.items() if name in fields
    }
    return create_model("Request", __base__=Strict, **read).model_json_schema()


class Plain(Protocol):
    """Reads every request that no other format recognises."""

    replies_to_documents = True

    def recognises(self, request: Request) -> bool:
        """Always."""
        del request
        return True

    def parse(self, request: Request, settings: HandlerSettings) -> list[Query]:
        """One query, or one for each of ``questions``.

        Raises:
            BadRequest: A field is unknown or of the wrong type, or the request has two pictures.
            MissingImage: The request has no picture.
            InvalidQuestion: The request has too many questions.
            InvalidImage: The picture's text is neither base64 nor a data URI.
        """
        asked, image = _read(request)
        if not image:
            raise MissingImage("the request has no picture; send it as the field 'image' (curl -F image=@photo.jpg)")
        questions = _questions(asked, settings)
        queries = [asked.query(image, question, labels=asked.labels) for question in questions]
        if not (asked.pages or asked.conversation):
            return queries
        return [
            replace(
                query,
                pages=asked.pages or "",
                conversation=_turns(asked.conversation, question or settings.question or ""),
            )
            for query, question in zip(queries, questions, strict=True)
        ]

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """One object; for ``questions``, a list in their order, in which an entry may be an error.

        If every entry failed, the first error is the whole reply.
        """
        if error := failed_whole(items):
            return self.refuse(error)
        if items and items[0].query.page:
            return document_reply(items, model)
        content = _content(request)
        is_list = content.get("questions") is not None
        entries = [item.error.body if item.error else entry(item, model) for item in items]
        if content.get("image_url") is not None and not is_list:  # the service that has this name repeats the question
            question = content.get("question") or (items[0].query.question if items[0].query else "")
            entries = [{"question": text(question, "question"), **entries[0]}]
        return as_json(entries if is_list else entries[0])


def _content(request: Request) -> Mapping[str, object]:
    """The fields of a form and of the query string, and those of a JSON body.

    An empty field that is known counts as not sent, because browsers send every field of a form; so does one that is
    null in JSON.
    """
    sent = {name: value for name, value in request.fields.items() if value not in (b"", "") or not _is_known(name)}
    fields = {name: value for name, value in sent.items() if name not in _NOT_OURS}
    if not isinstance(request.body, Mapping):
        return fields
    body = {name: value for name, value in request.body.items() if value is not None}
    if twice := sorted(fields.keys() & body.keys()):
        raise BadRequest(f"{twice[0]!r:.60} is in the query string and in the body; send it once")
    return {**fields, **body}


def _read(request: Request) -> tuple[PlainRequest, bytes | RemoteImage | None]:
    """Body and fields as one request, and the picture; a raw body is the picture."""
    body = request.body
    if isinstance(body, bytes | bytearray) and body and _is_prose(body):
        raise BadRequest("the body is text; send one JSON object, or a form with the fields 'image' and 'question'")
    if body is not None and not isinstance(body, Mapping | bytes | bytearray):
        raise BadRequest(f"the body is {json_type(body)}; send one JSON object")
    content = _content(request)
    _check_names(content)
    name = _picture_name(content, body)
    asked = validate(PlainRequest, _words(content, isinstance(body, Mapping)))
    return asked, _picture(name, content.get(name, body)) if name else None


def _picture_name(content: Mapping[str, object], body: object) -> str:
    """The name under which the picture is, ``the body`` if the body is the picture, or nothing.

    Raises:
        BadRequest: There are two pictures.
    """
    given = [name for name in _PICTURES if content.get(name) not in (None, b"", "")]
    given += [_BODY] if isinstance(body, bytes | bytearray) and body else []
    if len(given) > 1:
        raise BadRequest(f"the request has more than one picture: {' and '.join(given)}; send one picture in a request")
    return given[0] if given else ""


def _words(content: Mapping[str, object], is_json: bool) -> dict[str, object]:
    """What the schema checks: all of a JSON body, and the fields of a form without its picture, as text."""
    words = {
        name: text(value, name) if isinstance(value, bytes | bytearray) else value
        for name, value in content.items()
        if is_json or name not in _PICTURES
    }
    for name in () if is_json else ("questions", "labels", "candidate_labels", "conversation"):
        value = words.get(name)
        if isinstance(value, str) and (name in ("questions", "conversation") or value.lstrip().startswith("[")):
            words[name] = _json_list(name, value)
    return {"image" if name == "data" else name: value for name, value in words.items()}


def _picture(name: str, value: object) -> bytes | RemoteImage:
    if not isinstance(value, bytes | bytearray | str):
        raise BadRequest(f"field {name!r} of the form is not a file; send it as {name}=@photo.jpg")
    if name == "image_url":
        return _address(text(value, name))
    return read_picture(value) if isinstance(value, str) else read_file(bytes(value))


def _is_prose(body: bytes | bytearray) -> bool:
    """Whether a raw body is text and no picture; documents that begin as text are refused by their kind later."""
    return is_text(body) and not looks_like_picture(body) and not body.startswith((b"%PDF", b"<svg", b"<?xml"))


def _check_names(content: Mapping[str, object]) -> None:
    """Refuse unknown names before a value is looked at.

    Raises:
        BadRequest: The message suggests a name: the nearest, or what the field of another server, or a file, is called
            here.
    """
    unknown = [name for name in content if not _is_known(name)]
    for name in unknown:
        value, plain = content[name], name.lower().removesuffix("[]")
        known = next((known for known, others in _OTHER_NAMES.items() if plain == known or plain in others), None)
        if known is None and isinstance(value, bytes | bytearray) and is_binary(value):
            known = "image"
        if known and value is not None:
            what = _WHAT[known]
            raise BadRequest(f"unknown field {name!r:.80}; did you mean {known!r}? Send {what} under that name")
    if unknown:  # the schema names the nearest known field
        validate(PlainRequest, {name: "" for name in unknown if content[name] is not None})


def _is_known(name: str) -> bool:
    return name in _KNOWN


def _address(value: str) -> bytes | RemoteImage:
    image = read_picture(value)
    if isinstance(image, bytes) and value.strip()[:5].lower() != "data:":
        raise BadRequest("'image_url' is not a URL; send https://..., or base64 as 'image'")
    return image


def _json_list(name: str, value: str) -> object:
    try:
        return parse_json(value.encode())
    except BadRequest:
        shape = '{"question": "...", "answer": "..."}, ...' if name == "conversation" else '"...", "..."'
        raise BadRequest(f"form field {name!r} is not JSON; send a list: [{shape}]") from None


def _turns(earlier: Sequence[Exchanged] | None, question: str) -> tuple[Turn, ...]:
    """The turns of a conversation that begins with the picture; none without earlier questions."""
    if not earlier:
        return ()
    said = [(Turn("user", (one.question,)), Turn("assistant", (one.answer,))) for one in earlier]
    first, *rest = (*chain.from_iterable(said), Turn("user", (question,)))
    return (Turn("user", (0, *first.parts)), *rest)


def _questions(asked: PlainRequest, settings: HandlerSettings) -> list[str]:
    if asked.questions is not None and asked.question is not None:
        raise BadRequest("the request has both 'question' and 'questions'; send one of them")
    if asked.questions is not None:
        check_count(len(asked.questions), settings.limits)
        return asked.questions
    return [asked.question or ""]


def entry(item: Item, model: Model) -> dict[str, object]:
    """The object that answers one question."""
    return {
        **item.ranked.summary,
        "model": {"name": model.name, "version": model.version},
        **remarks(item),
    }
