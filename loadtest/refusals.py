"""Requests that a server must refuse, as users get them wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadRequest:
    """A request, and the refusal that is right.

    Attributes:
        status: Status of the refusal.
        type: Type in its body.
        form: The form's text fields.
        picture: The form's file.
    """

    status: int
    type: str
    form: dict[str, str]
    picture: bytes | None = None


def bad_requests(picture: bytes) -> list[BadRequest]:
    """Return one request of each kind, made from a good picture."""
    question = {"question": "what is this?"}
    return [
        BadRequest(422, "MissingImage", question),
        BadRequest(422, "InvalidImage", question, picture[: len(picture) // 2][:40]),
        BadRequest(422, "InvalidQuestion", {"question": ""}, picture),
        BadRequest(400, "BadRequest", {**question, "top-k": "5"}, picture),
    ]
