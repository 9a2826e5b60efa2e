"""The frozen data that travels down the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vqaserve.errors import VqaError

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as TorchServe hands it to a worker.

    Attributes:
        id: TorchServe's request id (a fresh UUID, also sent back as ``x-request-id``).
        fields: Form fields by name; an unnamed body is under ``"body"``. Values are bytes, text,
            or decoded JSON, as TorchServe's own decoding left them.
        headers: Header values by lower-cased name (TorchServe keeps the client's letter case).
        client_id: The ``X-Request-Id`` that a client or a proxy sent, made safe; TorchServe itself ignores it.
    """

    id: str
    fields: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    client_id: str = ""

    @property
    def label(self) -> str:
        """The request as the log names it: found by either id."""
        return f"{self.id} (client's {self.client_id})" if self.client_id else self.id

    @property
    def body(self) -> object:
        """The unnamed body, or None when the request is a form."""
        return self.fields.get("body")


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: an encoded body with its own status."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A picture that the server is asked to fetch."""

    url: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question about one picture, still as the client sent it.

    Attributes:
        image: The encoded picture file (JPEG, PNG, ...), or where it is.
        question: Free text.
        top_k: How many ranked answers are wanted; None means the recipe's default.
        parameters: What else was asked of the model, such as ``max_new_tokens``; a family says what it takes.
        lenient: Whether a parameter that the family does not take is dropped with a warning instead of refused: chat
            front ends send ``temperature`` to every model.
        warnings: What was sent with the question and is not used, one sentence each. A protocol adds what it leaves
            out; a warning about the whole request belongs to each of its queries.
    """

    image: bytes | RemoteImage
    question: str
    top_k: int | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    lenient: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Squeeze:
    """What a family does to every picture, whatever its shape.

    Attributes:
        width: In pixels, afterwards.
        height: In pixels, afterwards.
        resample: Pillow's filter.
    """

    width: int
    height: int
    resample: Resampling

    def __call__(self, picture: Image) -> Image:
        """The picture, squeezed; one that has the size already stays as it is."""
        return picture.resize((self.width, self.height), self.resample)


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture file, decoded.

    Attributes:
        pixels: Upright RGB image within the limits, squeezed where that was asked for.
        warnings: What the sender should know about how it was read.
        area: Pixels of the file by its header.
    """

    pixels: Image
    warnings: tuple[str, ...]
    area: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its identity, and what is known of it so far.

    Attributes:
        digest: SHA-256 of the encoded file, hexadecimal; equal digests are equal pictures.
        pixels: Upright RGB image within the limits; None while it is not decoded.
        features: What a family made of the pixels, if it is remembered.
        warnings: What the sender should know about how it was read; part of every reply about it.
    """

    digest: str
    pixels: Image | None = None
    features: object = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and its probability in [0, 1].

    Attributes:
        answer: The text.
        score: The probability that the model gives it.
        details: What a family adds to the reply, such as ``clip_similarity``.
    """

    answer: str
    score: float
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """A query on its way through the pipeline, or the error that ended it.

    Stages give back a new item each; an item with an error is passed by untouched, so one bad
    input never costs its neighbours in the batch anything.

    Attributes:
        request_id: The request it belongs to, as the log names it.
        query: What was asked; None only when it could not be read.
        picture: The decoded picture, after ``images``.
        answers: The family's answers, best first.
        recalled: What was remembered of it: ``answers``, ``features`` of the picture, or nothing.
        ranked: The answers in the task's own words, ready for JSON, after ``task.finish``.
        abstained: Whether the best answer is less sure than the recipe's ``abstain_below``.
        error: What went wrong, wherever it did.
    """

    request_id: str
    query: Query | None = None
    picture: Picture | None = None
    answers: tuple[Answer, ...] = ()
    recalled: str = ""
    ranked: tuple[Mapping[str, object], ...] = ()
    abstained: bool = False
    error: VqaError | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the client should know about how the question and the picture were read, in that order."""
        return (*(self.query.warnings if self.query else ()), *(self.picture.warnings if self.picture else ()))


@dataclass(frozen=True, slots=True)
class Model:
    """What a reply says about the model that answered."""

    name: str
    version: str
