"""One tree of errors; a class knows its HTTP status, a message says what came, what is allowed, what to do.

Raised deep, translated once (``pipeline.py``). Messages are safe to send to a client. The three keys of
``body`` are TorchServe's own, so one routine of a client reads both.
"""

from __future__ import annotations

from http import HTTPStatus


class VqaError(Exception):
    """Root of all errors that a client may see."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def body(self) -> dict[str, object]:
        """The error as TorchServe writes its own: ``code``, ``type``, ``message``."""
        return {"code": int(self.status), "type": type(self).__name__, "message": str(self)}


class BadRequest(VqaError):
    """The request cannot be read: broken JSON, unknown or missing field, wrong type."""

    status = HTTPStatus.BAD_REQUEST


class NotFound(VqaError):
    """There is no such route."""

    status = HTTPStatus.NOT_FOUND


class InvalidInput(VqaError):
    """The request was understood, but its content cannot be answered."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class MissingImage(InvalidInput):
    """No picture came."""


class InvalidImage(InvalidInput):
    """The picture cannot be decoded, or is over a limit."""


class InvalidQuestion(InvalidInput):
    """The question is missing, empty or over a limit."""


class InvalidParameter(InvalidInput):
    """A parameter is outside its range."""


class DeadlineExceeded(VqaError):
    """The client has given up by its own account; nothing was computed."""

    status = HTTPStatus.GATEWAY_TIMEOUT


class Overloaded(VqaError):
    """The batch has used up its time; the same request may well be answered later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class OutOfMemory(VqaError):
    """A single query does not fit into memory."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


class InternalError(VqaError):
    """Something of ours failed; the log has the traceback under the request id."""


class RecipeError(Exception):
    """A recipe cannot be served; raised while loading or building, never shown to a client."""
