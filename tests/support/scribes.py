"""A family that writes its answers word by word, and a client that reads the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from tests.support.pictures import as_base64, encoded
from vqaserve.families.dummy import Dummy
from vqaserve.types import Answer, Query, Request
from vqaserve.writing import Draft, Progress, Writing


class Scribe(Dummy):
    """Answers with the question's own words, one at each step; a row that ends says so at once.

    The word ``fail`` fails the batch, after what comes before it was written.
    """

    writes: ClassVar[bool] = True

    def write(self, features: Sequence[str], queries: Sequence[Query], progress: Progress) -> list[str]:
        words = [query.question.split() for query in queries]
        texts = [""] * len(queries)
        self.steps = 0
        going = set(range(len(queries)))
        while going:
            drafts = {}
            for row in sorted(going):
                if words[row][self.steps] == "fail":
                    raise RuntimeError("secret detail")
                texts[row] = " ".join(words[row][: self.steps + 1])
                ends = self.steps + 1 == len(words[row])
                if ends or row in progress.streamed:
                    drafts[row] = Draft(texts[row], Writing(3, len(words[row])) if ends else None)
            self.steps += 1
            progress.wrote(drafts)
            going -= {row for row, draft in drafts.items() if draft.writing} | progress.abandoned()
        return texts

    def forward(self, features: Sequence[str], queries: Sequence[Query]) -> list[str]:
        return self.write(features, queries, Progress())

    def decode(self, outputs: list[str], queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        del queries
        return [(Answer(text, 0.5, writing=Writing(3, len(text.split()))),) for text in outputs]


def chat_request(question: str, label: str = "id", headers: dict[str, str] | None = None, **fields: Any) -> Request:
    """A chat as a worker gets it; it asks for a stream unless told otherwise."""
    url = {"url": f"data:image/png;base64,{as_base64(encoded())}"}
    content = [{"type": "image_url", "image_url": url}, {"type": "text", "text": question}]
    body = {"model": "m", "messages": [{"role": "user", "content": content}], "stream": True, **fields}
    return Request(label, {"body": body}, {"url_path": "v1/chat/completions", **(headers or {})})


def events(body: bytes | Iterable[bytes]) -> list[Any]:
    """The events of a stream: objects, and ``[DONE]`` as text."""
    text = (body if isinstance(body, bytes) else b"".join(body)).decode()
    assert text.endswith("\n\n") or not text
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def text_of(told: Sequence[Any], index: int = 0) -> str:
    """The text of a choice, put together as clients do."""
    choices = [choice for event in told if event != "[DONE]" for choice in event.get("choices", ())]
    return "".join(choice["delta"].get("content", "") for choice in choices if choice["index"] == index)
