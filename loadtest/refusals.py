"""Requests that a server must refuse, as users get them wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefusedRequest:
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


def refused_requests(picture: bytes) -> list[RefusedRequest]:
    """Return one request of each kind, made from a good picture."""
    question = {"question": "what is this?"}
    return [
        RefusedRequest(422, "MissingImage", question),
        RefusedRequest(422, "InvalidImage", question, picture[: len(picture) // 2][:40]),
        RefusedRequest(422, "InvalidQuestion", {"question": ""}, picture),
        RefusedRequest(400, "BadRequest", {**question, "top-k": "5"}, picture),
    ]
