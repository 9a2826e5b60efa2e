"""OpenAI's chat completions with picture parts; the client's ``base_url`` is ``/predictions/<name>/<version>/v1``.

TorchServe passes the path after the version in the header ``url_path``. The model sees one picture and one question:
the text of the user's last turn that has text, its parts joined in their order, and the last picture. What else was
sent is named in ``warnings``. Answers are not streamed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import BadRequest, InvalidParameter, MissingImage, NotFound, VqaError
from vqaserve.protocols.base import Protocol, as_json, warnings_field
from vqaserve.protocols.content import validate
from vqaserve.protocols.picture_text import read_picture
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Reply, Request

_MODELS, _COMPLETIONS = "v1/models", "v1/chat/completions"
_WITHOUT_EFFECT_ON_ANSWERS = frozenset({"model", "user", "metadata", "store", "stream_options", "service_tier"})


class Message(BaseModel):
    """One turn; its content is text or a list of parts."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(BaseModel):
    """What is read of a request; chat front ends send many more fields, which are named in ``warnings``."""

    model_config = ConfigDict(extra="allow")

    messages: list[Message] = Field(description="The conversation; pictures as data URIs in image_url parts.")
    stream: bool | None = None
    n: Literal[1] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None


class OpenAIChat(Protocol):
    """A request with a path after the model's version is of this format."""

    def recognises(self, request: Request) -> bool:
        """Whether there is a path after the version."""
        return bool(_path(request))

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query]:
        """One query; none for the list of models.

        Raises:
            NotFound: The path is neither of the two.
            BadRequest: The body is not of this shape.
            InvalidParameter: The request asks for a stream.
            MissingImage: No message has a picture.
            InvalidImage: The picture is neither base64 nor a data URI.
        """
        if _path(request) == _MODELS:
            return []
        if _path(request) != _COMPLETIONS:
            raise NotFound(f"there is no route {_path(request)!r:.80} here; there are {_MODELS} and {_COMPLETIONS}")
        asked = validate(ChatRequest, request.body)
        if asked.stream:
            raise InvalidParameter("answers are not streamed; send stream: false")
        turns = [list(_parts(message)) for message in asked.messages if message.role == "user"]
        images = [value for turn in turns for kind, value in turn if kind == "image_url"]
        if not images:
            raise MissingImage("the request has no picture; send a part {type: image_url, image_url: {url: data:...}}")
        questions = [text for turn in turns if (text := _text(turn))]
        question = questions[-1] if questions else ""
        length = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
        wanted = {"max_new_tokens": length, "temperature": asked.temperature}
        parameters = {name: value for name, value in wanted.items() if value is not None}
        warnings = tuple(_warnings(asked, turns, images, questions))
        return [Query(read_picture(images[-1]), question, parameters=parameters, lenient=True, warnings=warnings)]

    def refuse(self, error: VqaError) -> Reply:
        """OpenAI's ``{"error": {...}}`` beside TorchServe's three keys."""
        inner = {"message": str(error), "type": type(error).__name__, "code": int(error.status), "param": None}
        return as_json({"error": inner, **error.body}, error.status)

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """A ``chat.completion``, or the list with this one model."""
        if _path(request) == _MODELS:
            entry = {"id": model.name, "object": "model", "created": 0, "owned_by": "vqaserve"}
            return as_json({"object": "list", "data": [entry]})
        item = items[0]
        if item.error:
            return self.refuse(item.error)
        message = {"role": "assistant", "content": item.ranked.best}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return as_json(
            {
                "id": f"chatcmpl-{request.id}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": f"{model.name}/{model.version}",
                "choices": [choice],
                # Clients require the key; a classifier has no tokens to count.
                "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
                f"{item.ranked.noun}s": item.ranked.entries,
                **warnings_field(item),
            }
        )


def _path(request: Request) -> str:
    return str(request.headers.get("url_path") or "").strip("/")


def _parts(message: Message) -> Iterator[tuple[str, str]]:
    """Kind and value of the parts of a user's turn: a text, or the URL of a picture."""
    content = message.content
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
        kind = str(part.get("type"))
        if kind not in ("text", "image_url"):
            raise BadRequest(f"a part has type {kind!r:.40}; send parts of type 'text' and 'image_url'")
        value = part.get(kind)
        value = value.get("url") if isinstance(value, Mapping) else value
        if not isinstance(value, str):
            raise BadRequest(f"a part of type {kind!r} holds no text; send {{type: {kind}, {kind}: ...}}")
        yield kind, value


def _text(turn: Sequence[tuple[str, str]]) -> str:
    """The text of a turn, its parts joined by blanks."""
    return " ".join(value.strip() for kind, value in turn if kind == "text").strip()


def _warnings(
    asked: ChatRequest, turns: Sequence[object], images: Sequence[str], questions: Sequence[str]
) -> Iterator[str]:
    """What was sent and is not used."""
    others = len(asked.messages) - len(turns)
    if len(images) > 1:
        yield f"the request has {len(images)} pictures; only the last one was used"
    if len(questions) > 1:
        yield f"{len(questions)} turns of the user have text; only the last one was asked"
    if others:
        yield f"{others} messages of other roles than 'user' were not used"
    unused = sorted((asked.model_extra or {}).keys() - _WITHOUT_EFFECT_ON_ANSWERS)
    if unused:
        yield f"these fields have no effect on this server: {', '.join(map(repr, unused))[:200]}"
