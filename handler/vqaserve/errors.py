"""All errors of the handler; each class has its HTTP status.

They are raised where the fault is found and become a reply in one place (``stages.py`` for one item, ``exchange.py``
for a whole request). A message names what came, what is allowed and what to do, and is safe to send to a client. The
three keys of ``body`` are those of TorchServe's own errors, so one routine of a client reads both.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Self


class VqaError(Exception):
    """Base class of all errors that a client may see."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def body(self) -> dict[str, object]:
        """The error in TorchServe's format: ``code``, ``type``, ``message``."""
        return {"code": int(self.status), "type": type(self).__name__, "message": str(self)}

    def kept(self) -> Self:
        """Return the error without its traceback and its causes, so that it can be kept as a value.

        A traceback refers to every frame that the error passed, and thus to the body of its request and to whatever
        keeps the error. Such a cycle holds megabytes until Python's garbage collector looks for it, which it does
        rarely in a process as large as a worker.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class BadRequest(VqaError):
    """The request cannot be read: broken JSON, an unknown or missing field, a wrong type."""

    status = HTTPStatus.BAD_REQUEST


class NotFound(VqaError):
    """The route does not exist."""

    status = HTTPStatus.NOT_FOUND


class ContentTooLarge(VqaError):
    """A compressed body is over the limits when it is unpacked."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(VqaError):
    """The body is compressed in a way that is not supported."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidInput(VqaError):
    """The request can be read, but its content cannot be answered."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class MissingImage(InvalidInput):
    """The request has no picture."""


class InvalidImage(InvalidInput):
    """The picture cannot be decoded or exceeds a limit."""


class InvalidQuestion(InvalidInput):
    """The question is missing, empty or exceeds a limit."""


class InvalidLabels(InvalidInput):
    """The candidate labels are missing, repeated or exceed a limit."""


class InvalidParameter(InvalidInput):
    """A parameter is out of its range."""


class DeadlineExceeded(VqaError):
    """The client's deadline passed before the request's turn; nothing was computed."""

    status = HTTPStatus.GATEWAY_TIMEOUT


class Overloaded(VqaError):
    """The batch has used up its time; the same request may succeed later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class OutOfMemory(VqaError):
    """A single query does not fit into memory."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


class InternalError(VqaError):
    """The server failed; its log has the traceback under the request id."""


class RecipeError(Exception):
    """A recipe cannot be served. It is raised while loading or building and never reaches a client."""
