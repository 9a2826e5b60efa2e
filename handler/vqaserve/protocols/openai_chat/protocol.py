"""OpenAI's chat completions; the client's ``base_url`` is ``/predictions/<name>/<version>/v1``.

TorchServe passes the path after the version in the header ``url_path``. The whole conversation goes to a model that
reads conversations; another answers the last question about the last picture. A stream is sent as server-sent events.
"""

from __future__ import annotations

from collections.abc import Sequence

from vqaserve.errors import NotFound, VqaError
from vqaserve.protocols.base import Protocol, as_json
from vqaserve.protocols.content import validate
from vqaserve.protocols.openai_chat.chunks import ChunkWriter
from vqaserve.protocols.openai_chat.reply import completion, error_body, list_of_models
from vqaserve.protocols.openai_chat.request import ChatRequest
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Reply, Request

_MODELS, _COMPLETIONS = "v1/models", "v1/chat/completions"


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
            InvalidParameter: The request asks for what the server cannot do.
            MissingImage: No message has a picture.
            InvalidQuestion: The last message is not the user's.
            InvalidImage: A picture is neither base64 nor a data URI.
        """
        if _path(request) == _MODELS:
            return []
        if _path(request) != _COMPLETIONS:
            raise NotFound(f"there is no route {_path(request)!r:.80} here; there are {_MODELS} and {_COMPLETIONS}")
        return [validate(ChatRequest, request.body).query(settings)]

    def refuse(self, error: VqaError) -> Reply:
        """OpenAI's ``{"error": {...}}`` beside TorchServe's three keys."""
        return as_json(error_body(error), error.status)

    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """A ``chat.completion``, or the list with this one model."""
        if _path(request) == _MODELS:
            return as_json(list_of_models(model))
        item = items[0]
        return self.refuse(item.error) if item.error else as_json(completion(request, item, model))

    def event_writer(self, request: Request, item: Item, model: Model) -> ChunkWriter:
        """A writer of ``chat.completion.chunk`` events."""
        options = validate(ChatRequest, request.body).stream_options
        return ChunkWriter(request, item, model, with_usage=options is not None and options.include_usage)


def _path(request: Request) -> str:
    """The path after the version, or the client's path where the gateway has read the model's name from the body."""
    return (request.headers.get("url_path") or request.headers.get("x-url-path") or "").strip("/")
