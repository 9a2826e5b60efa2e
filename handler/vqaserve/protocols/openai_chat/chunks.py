"""The server-sent events of a streamed chat completion."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from vqaserve.errors import VqaError
from vqaserve.protocols.base import EventWriter, remarks
from vqaserve.protocols.openai_chat.reply import UNWRITTEN, error_body, log_probabilities, usage
from vqaserve.types import Item, Model, Request
from vqaserve.writing import Writing

_DONE = b"data: [DONE]\n\n"


class ChunkWriter(EventWriter):
    """Writes ``chat.completion.chunk`` events, and ``data: [DONE]`` at the end."""

    def __init__(self, request: Request, item: Item, model: Model, *, with_usage: bool) -> None:
        """Begin a stream.

        Args:
            request: Its request.
            item: The question, on its way to its answer.
            model: Answers it.
            with_usage: Whether the client asks for the number of tokens (``stream_options: {include_usage: true}``).
        """
        self._query = item.query
        self._remarks = remarks(item)
        self._with_usage = with_usage
        self._common = {
            "id": f"chatcmpl-{request.id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": f"{model.name}/{model.version}",
        }

    @property
    def is_stepwise(self) -> bool:
        """Several choices are sent whole, and so are tokens with their probabilities."""
        return self._query.choices == 1 and "top_logprobs" not in self._query.parameters

    def begin(self) -> bytes:
        """The role of each choice."""
        start = {"role": "assistant", "content": ""}
        return b"".join(self._choice(index, start) for index in range(self._query.choices))

    def more(self, text: str) -> bytes:
        """The next part of the text."""
        return self._choice(0, {"content": text}) if text else b""

    def end(self, rest: str, writing: Writing | None) -> bytes:
        """The rest of the text, why it ended, and the tokens."""
        return self.more(rest) + self._end([writing or UNWRITTEN])

    def whole(self, item: Item) -> bytes:
        """All choices at once."""
        answers, texts = item.answers[: self._query.choices], item.ranked.entries[: self._query.choices]
        writings = [answer.writing or UNWRITTEN for answer in answers]
        contents = [
            self._choice(index, {"content": str(text[item.ranked.noun])}, logprobs=log_probabilities(writing))
            for index, (text, writing) in enumerate(zip(texts, writings, strict=True))
        ]
        self._remarks = remarks(item)
        return b"".join(contents) + self._end(writings)

    def fail(self, error: VqaError) -> bytes:
        """The error, of which clients make the exception of an error's reply."""
        return _event(error_body(error)) + _DONE

    def _end(self, writings: Sequence[Writing]) -> bytes:
        ends = [
            self._choice(index, {}, finish_reason=writing.finish_reason, **self._remarks)
            for index, writing in enumerate(writings)
        ]
        tokens = _event({**self._common, "choices": [], "usage": usage(writings)}) if self._with_usage else b""
        return b"".join(ends) + tokens + _DONE

    def _choice(
        self,
        index: int,
        delta: Mapping[str, str],
        finish_reason: str | None = None,
        logprobs: object = None,
        **more: object,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        unknown_yet = {"usage": None} if self._with_usage else {}
        return _event({**self._common, "choices": [choice], **unknown_yet, **more})


def _event(content: Mapping[str, object]) -> bytes:
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode() + b"\n\n"
