"""What the versions of a running server say of themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaserve.tasks import TASKS, find_task


@dataclass(frozen=True, slots=True)
class Description:
    """What a version says of itself.

    Attributes:
        task: Its task.
        card: Its model card in Markdown.
        limits: Its limits by name.
        fields: The fields that it reads, by their names in forms.
        arithmetic: The runtime and the precision that it computes with.
        chosen_by: Who chose them: ``recipe``, ``calibration`` or ``static rule``.
        reason: Why.
    """

    task: str
    card: str
    limits: dict[str, Any]
    fields: frozenset[str]
    arithmetic: str = ""
    chosen_by: str = ""
    reason: str = ""


def describe(client: Client, key: str, seconds: float = 10) -> Description | None:
    """What a version says of itself; None if the server does not say.

    Args:
        client: The server's client.
        key: ``NAME/VERSION``, or ``NAME`` for the default version.
        seconds: Time to wait: a worker answers, after the requests that it has.
    """
    url = f"{client.addresses.management}/models/{quote(key)}"
    try:
        reply = client.http.get(
            url, params={"customized": "true"}, headers=client.header("management"), timeout=seconds
        )
        said = reply.json()[0]["customizedMetadata"]
        said = json.loads(said) if isinstance(said, str) else said
        fields = frozenset(said["request"]["properties"])
        arithmetic = " ".join(said[name] for name in ("runtime", "precision") if name in said)
        chosen = said.get("chosen_by", ""), said.get("reason", "")  # an older archive says neither
        return Description(said["task"], said["card"]["text"], said["limits"], fields, arithmetic, *chosen)
    except (httpx.HTTPError, ServerError, ValueError, LookupError, TypeError):
        return None


def form_of_text(task: str, text: str) -> dict[str, str]:
    """The fields of a form that asks a task what a person typed: a question, labels between commas, or nothing."""
    read = find_task(task).fields if task in TASKS else frozenset()
    return {name: text for name in ("question", "labels") if name in read and text}
