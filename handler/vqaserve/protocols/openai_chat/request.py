"""A chat request: its schema, and the query that it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import BadRequest, InvalidParameter, InvalidQuestion, MissingImage
from vqaserve.protocols.content import Real, Whole
from vqaserve.protocols.picture_text import read_picture
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query, Turn

_WITHOUT_EFFECT_ON_ANSWERS = frozenset({"model", "user", "metadata", "store", "service_tier"})
_ROLES: Final[dict[str, Literal["system", "user", "assistant"]]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_Stop = Annotated[str, Field(min_length=1, max_length=100)]


class Message(BaseModel):
    """One turn; its content is text or a list of parts."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None


class ResponseFormat(BaseModel):
    """The required format of the answer."""

    model_config = ConfigDict(extra="allow")

    type: str


class StreamOptions(BaseModel):
    """What a stream contains besides the answer."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool = False


class ChatRequest(BaseModel):
    """The fields that are read. Others, of which chat front ends send many, are named in ``warnings``."""

    model_config = ConfigDict(extra="allow")

    messages: list[Message] = Field(description="The conversation; pictures as data URIs in image_url parts.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Whole | None = Field(default=None, description="How many choices to return.")
    max_tokens: Whole | None = Field(default=None, description="The older name of ``max_completion_tokens``.")
    max_completion_tokens: Whole | None = Field(default=None, description="Models that write: length of the answer.")
    temperature: Real | None = Field(default=None, description="Models that write: 0 is greedy.")
    top_p: Real | None = Field(default=None, description="Models that write: probability to sample within.")
    seed: Whole | None = Field(default=None, description="Models that write: the same seed gives the same answer.")
    stop: _Stop | Annotated[list[_Stop], Field(max_length=16)] | None = Field(
        default=None, description="Models that write: texts that end the answer."
    )
    logprobs: bool | None = Field(default=None, description="Models that write: return each token's log-probability.")
    top_logprobs: Whole | None = Field(default=None, description="Likeliest tokens to return at each place.")
    response_format: ResponseFormat | None = None

    def query(self, settings: HandlerSettings) -> Query:
        """The last question, with the whole conversation if it is more than one picture and then one question.

        Raises:
            BadRequest: A part of a message is not of a known shape.
            InvalidParameter: A field asks for what the server cannot do, or is out of range.
            MissingImage: No message has a picture.
            InvalidQuestion: The last message is not the user's.
            InvalidImage: A picture is neither base64 nor a data URI.
        """
        _check_form(self.response_format)
        choices = _check_choices(self.n, settings.limits.max_choices)
        turns, pictures = _turns(self.messages)
        if not pictures:
            raise MissingImage("the request has no picture; send a part {type: image_url, image_url: {url: data:...}}")
        questions = [turn.text for turn in turns if turn.role == "user" and turn.text]
        if turns[-1].role != "user":
            raise InvalidQuestion(f"the last message is of role {turns[-1].role!r}; end with the user's question")
        if not questions and settings.question:
            turns[-1] = Turn("user", (*turns[-1].parts, settings.question))
        *earlier, last = [read_picture(picture) for picture in pictures]
        return Query(
            last,
            questions[-1] if questions else "",
            parameters=self._parameters(),
            lenient=True,
            warnings=tuple(self._warnings()),
            conversation=() if _is_plain(turns) else tuple(turns),
            earlier_images=tuple(earlier),
            choices=choices,
            stream=bool(self.stream),
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
        )

    def _parameters(self) -> dict[str, float]:
        if self.top_logprobs is not None and not self.logprobs:
            raise InvalidParameter("top_logprobs came without logprobs; send logprobs: true too")
        length = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        wanted = {
            "max_new_tokens": length,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "top_logprobs": (self.top_logprobs or 0) if self.logprobs else None,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _warnings(self) -> Iterator[str]:
        """What was sent and is not used."""
        if others := sum(message.role not in _ROLES for message in self.messages):
            yield f"{others} messages of other roles than {', '.join(_ROLES)} were not used"
        unused = sorted((self.model_extra or {}).keys() - _WITHOUT_EFFECT_ON_ANSWERS)
        if unused:
            yield f"these fields have no effect on this server: {', '.join(map(repr, unused))[:200]}"


def _check_form(wanted: ResponseFormat | None) -> None:
    if wanted is not None and wanted.type != "text":
        raise InvalidParameter(
            f"response_format is {wanted.type!r:.40}, which this server cannot guarantee; leave response_format out"
        )


def _check_choices(wanted: int | None, most: int) -> int:
    choices = 1 if wanted is None else wanted
    if not 1 <= choices <= most:
        raise InvalidParameter(f"n is {choices!s:.40}; it can be 1 to {most}")
    return choices


def _turns(messages: Sequence[Message]) -> tuple[list[Turn], list[str]]:
    """The messages of known roles that have content, and the pictures as they came."""
    turns: list[Turn] = []
    pictures: list[str] = []
    for message in messages:
        if message.role not in _ROLES:
            continue
        parts: list[str | int] = []
        for kind, value in _parts(message):
            if kind == "image_url":
                parts.append(len(pictures))
                pictures.append(value)
            elif value.strip():
                parts.append(value)
        if parts:
            turns.append(Turn(_ROLES[message.role], tuple(parts)))
    return turns, pictures


def _parts(message: Message) -> Iterator[tuple[str, str]]:
    """Kind and value of the parts of a message: a text, or the URL of a picture."""
    content = message.content
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
        kind = str(part.get("type"))
        if kind not in ("text", "image_url"):
            raise BadRequest(f"a part has type {kind!r:.40}; send parts of type 'text' and 'image_url'")
        value = part.get(kind)
        value = value.get("url") if isinstance(value, Mapping) else value
        if not isinstance(value, str):
            raise BadRequest(f"a part of type {kind!r} holds no text; send {{type: {kind}, {kind}: ...}}")
        yield kind, value


def _is_plain(turns: Sequence[Turn]) -> bool:
    """Whether there is one turn with a picture and then texts, as in the formats without conversations."""
    return len(turns) == 1 and [part for part in turns[0].parts if isinstance(part, int)] == [turns[0].parts[0]]
