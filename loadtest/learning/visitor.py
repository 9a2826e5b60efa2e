"""A visitor of the chat page who knows what is right: asks, chooses a thumb, and types what would have been right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client as GradioClient
from gradio_client import handle_file

from vqaops.errors import ServerError

_BEST = re.compile(r"<strong>(.*?)</strong>", re.DOTALL)
_SECONDS = 120


class Visitor:
    """Asks as a program does, and judges as a browser does: thumbs and corrections are events without a public name.

    Gradio takes an event at ``queue/join`` and tells its result at ``queue/data``. A session has one conversation.
    """

    def __init__(self, url: str, version: str) -> None:
        """Open the page.

        Args:
            url: Its address.
            version: What is asked, as ``NAME/VERSION``.
        """
        self._client = GradioClient(url, verbose=False, analytics_enabled=False)
        self._http = httpx.Client(base_url=f"{url}/gradio_api", timeout=_SECONDS, trust_env=False)
        self._version = version
        events = self._client.config["dependencies"]
        names = {one["id"]: one["props"].get("elem_id") for one in self._client.config["components"]}
        self._judge = _event_of(events, names, "like", "chat")
        self._correct = _event_of(events, names, "submit", "correction")

    def close(self) -> None:
        """Leave the page."""
        self._http.close()
        self._client.close()

    def visit(self, picture: Path, right: Mapping[str, str]) -> int:
        """Ask questions about a picture in a new conversation, and say of each answer what it is worth.

        Args:
            picture: The picture, which the visitor agrees to keep.
            right: What the visitor takes for right, by question.

        Returns:
            How many answers were wrong in the visitor's eyes.

        Raises:
            ServerError: The page does not answer.
        """
        self._client.reset_session()
        message = {"text": "\n".join(right), "files": [handle_file(picture)]}
        asked = {"message": message, "history": [], "model": self._version, "keep": True}
        _, history = self._client.predict(**asked, api_name="/chat")
        answers = [self._best(message) for message in history[1:]]
        if len(answers) != len(right):
            raise ServerError(f"{len(right)} questions about {picture.name} got {len(answers)} answers")
        wrong = 0
        for place, (answer, wanted) in enumerate(zip(answers, right.values(), strict=True), 1):
            is_right = answer == wanted
            self._send(self._judge, [history, None], {"index": place, "value": answer, "liked": is_right})
            if not is_right:
                self._send(self._correct, [wanted, None])
                wrong += 1
        return wrong

    @staticmethod
    def _best(message: Mapping[str, Any]) -> str:
        text = message["content"][0]["value"]
        if not (best := _BEST.search(text)):
            raise ServerError(f"the page does not answer: {text[:200]}")
        return unescape(best[1])

    def _send(self, event: int, data: Sequence[Any], event_data: object = None) -> None:
        """Send an event of the page, and wait for its end."""
        session = {"session_hash": self._client.session_hash}
        body = {"data": data, "fn_index": event, "event_data": event_data, **session}
        self._http.post("/queue/join", json=body).raise_for_status()
        with self._http.stream("GET", "/queue/data", params=session) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise ServerError(f"the page failed: {str(message['output'])[:300]}")
                    return
        raise ServerError("the page broke off")


def _event_of(events: Sequence[Mapping[str, Any]], names: Mapping[int, str | None], kind: str, element: str) -> int:
    """The number of the event that something of the page, named by its ``elem_id``, begins."""
    return next(
        int(event["id"])
        for event in events
        if any(begins == kind and names.get(place) == element for place, begins in event["targets"])
    )
