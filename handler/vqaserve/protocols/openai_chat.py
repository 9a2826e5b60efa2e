"""OpenAI's chat completions with picture parts, at ``/predictions/<name>/<version>/v1`` as ``base_url``.

TorchServe passes the rest of the path after the version in the header ``url_path``. The last picture and the last text
of the conversation are asked; earlier turns are not read. There is no streaming.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import BadRequest, InvalidParameter, InvalidQuestion, MissingImage, NotFound, VqaError
from vqaserve.protocols.base import Protocol, as_json, notes
from vqaserve.protocols.body import picture, validated
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Reply, Request

_MODELS, _COMPLETIONS = "v1/models", "v1/chat/completions"


class Message(BaseModel):
    """One turn; its content is text or a list of parts."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(BaseModel):
    """What is read of a request; chat front ends send many more fields, and those are passed over."""

    model_config = ConfigDict(extra="ignore")

    messages: list[Message] = Field(description="The conversation; pictures as data URIs in image_url parts.")
    stream: bool | None = None
    n: Literal[1] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None


class OpenAIChat(Protocol):
    """A request with a path behind the model's version is of this format."""

    def recognises(self, request: Request) -> bool:
        """Whether TorchServe saw a path behind the version."""
        return bool(_path(request))

    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query]:
        """One query; none for the list of models.

        Raises:
            NotFound: The path is neither of the two.
            BadRequest: The body is not of this shape.
            InvalidParameter: A stream is asked for.
            MissingImage: No message has a picture.
            InvalidQuestion: No message of the user has text.
            InvalidImage: The picture is neither base64 nor a data URI.
        """
        if _path(request) == _MODELS:
            return []
        if _path(request) != _COMPLETIONS:
            raise NotFound(f"there is no route {_path(request)!r:.80} here; there are {_MODELS} and {_COMPLETIONS}")
        asked = validated(ChatRequest, request.body)
        if asked.stream:
            raise InvalidParameter("answers are not streamed; send stream: false")
        images = list(_parts(asked, "image_url"))
        texts = [part.strip() for part in _parts(asked, "text") if part.strip()]
        if not images:
            raise MissingImage("no picture came; send a part {type: image_url, image_url: {url: data:...}}")
        question = texts[-1] if texts else settings.question
        if question is None:
            raise InvalidQuestion("no question came; send a part {type: text, text: ...}")
        length = asked.max_completion_tokens or asked.max_tokens
        wanted = {"max_new_tokens": length, "temperature": asked.temperature}
        parameters = {name: value for name, value in wanted.items() if value is not None}
        return [Query(picture(images[-1]), question, parameters=parameters, lenient=True)]

    def refuse(self, error: VqaError) -> Reply:
        """OpenAI's ``{"error": {...}}`` beside TorchServe's three keys."""
        inner = {"message": str(error), "type": type(error).__name__, "code": int(error.status), "param": None}
        return as_json({"error": inner, **error.body}, error.status)

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """A ``chat.completion``, or the list with this one model."""
        if _path(request) == _MODELS:
            entry = {"id": model.name, "object": "model", "created": 0, "owned_by": "vqaserve"}
            return as_json({"object": "list", "data": [entry]})
        if error := items[0].error:
            return self.refuse(error)
        message = {"role": "assistant", "content": items[0].ranked[0]["answer"]}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return as_json(
            {
                "id": f"chatcmpl-{request.id}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": f"{model.name}/{model.version}",
                "choices": [choice],
                # Classifiers have no tokens to count; the key is required by clients.
                "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
                "answers": items[0].ranked,
                **notes(items[0]),
            }
        )


def _path(request: Request) -> str:
    return str(request.headers.get("url_path") or "").strip("/")


def _parts(asked: ChatRequest, kind: str) -> Iterator[str]:
    """Texts, or picture URLs, of the user's turns in their order."""
    for message in asked.messages:
        if message.role != "user":
            continue
        parts = [{"type": "text", "text": message.content}] if isinstance(message.content, str) else message.content
        for part in parts or []:
            if part.get("type") != kind:
                continue
            value = part.get(kind)
            value = value.get("url") if isinstance(value, Mapping) else value
            if not isinstance(value, str):
                raise BadRequest(f"a part of type {kind!r} holds no text; send {{type: {kind}, {kind}: ...}}")
            yield value
