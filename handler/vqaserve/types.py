"""The frozen data that travels down the pipeline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from vqaserve.documents.pages import Page
from vqaserve.errors import VqaError
from vqaserve.pictures import Picture
from vqaserve.writing import Writing

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as TorchServe hands it to a worker.

    Attributes:
        id: TorchServe's request id, a fresh UUID that the reply carries as ``x-request-id``.
        fields: Form fields by name; an unnamed body is under ``"body"``. TorchServe leaves values as bytes, text or
            decoded JSON.
        headers: Header values by lower-cased name; TorchServe keeps the client's letter case.
        client_id: The ``X-Request-Id`` of a client or proxy, made safe for logs; TorchServe ignores that header.
        repeated: Names that occur more than once; ``fields`` has only the last value of each.
    """

    id: str
    fields: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    client_id: str = ""
    repeated: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The request's name in logs, which holds both ids."""
        return f"{self.id} (client's {self.client_id})" if self.client_id else self.id

    @property
    def body(self) -> object:
        """The unnamed body, or None if the request is a form."""
        return self.fields.get("body")


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: an encoded body with its own status."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A picture that the server has to fetch."""

    url: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation.

    Attributes:
        role: Who speaks.
        parts: Texts and pictures in their order; a picture is its index in ``Query.images``.
    """

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | int, ...]

    @property
    def text(self) -> str:
        """The texts of the turn, joined by blanks."""
        return " ".join(part.strip() for part in self.parts if isinstance(part, str)).strip()


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked about one picture, as the client sent it; the task defines which fields it reads.

    Attributes:
        image: The encoded picture file (JPEG, PNG, ...), or its URL; of several pictures, the last.
        question: Free text; empty if none was sent; of a conversation, the last question.
        top_k: The number of ranked answers; None means the recipe's default.
        parameters: Other parameters of the model, such as ``max_new_tokens``; the family defines which it takes.
        lenient: Whether a parameter that the family does not take is dropped with a warning instead of refused: chat
            front ends send ``temperature`` to every model.
        warnings: What was sent with the question and is not used, one sentence each. A protocol adds what it leaves
            out; a warning about the whole request belongs to each of its queries.
        labels: The candidate labels of ``zero_shot_image_classification``; empty if none were sent.
        hypothesis_template: The sentence that a label is put into, with ``{}`` in its place; empty means the recipe's.
        conversation: All turns, the one with the question included; empty if there is only the picture and then the
            question. A family that does not read conversations gets none.
        earlier_images: The other pictures of the conversation, in their order.
        choices: The number of answers of equal standing that the client wants. A model that writes samples them, and
            a classifier gives its best.
        stop: Texts that end an answer, for a family that writes; they are not part of it.
        stream: Whether the client wants the answer in pieces as it is written.
        explain: Whether, and in which form, the client wants to know what the answer rests on.
        answer: The answer to explain; empty means the best one.
        pages: Of a document, the pages to read, such as ``1-20``; empty means all.
        page: The page of a document that ``image`` shows; None for a picture.
    """

    image: bytes | RemoteImage
    question: str = ""
    top_k: int | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    lenient: bool = False
    warnings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    hypothesis_template: str = ""
    conversation: tuple[Turn, ...] = ()
    earlier_images: tuple[bytes | RemoteImage, ...] = ()
    choices: int = 1
    stop: tuple[str, ...] = ()
    stream: bool = False
    explain: Literal["", "json", "png"] = ""
    answer: str = ""
    pages: str = ""
    page: Page | None = None

    @property
    def images(self) -> tuple[bytes | RemoteImage, ...]:
        """All pictures in their order."""
        return (*self.earlier_images, self.image)


UNREADABLE = Query(b"")
"""Stands for a query that could not be read; its item has an error."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and its probability.

    Attributes:
        answer: The text: an answer to a question, or a label.
        score: The model's probability of the answer, in [0, 1].
        details: What the family adds to the reply, such as ``clip_similarity``.
        writing: How the answer was written, if the family writes.
        abstained: Whether the family says that the picture is unlike all that it knows.
    """

    answer: str
    score: float
    details: Mapping[str, object] = field(default_factory=dict)
    writing: Writing | None = None
    abstained: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """How much the score of one answer rests on each part of the picture and on each word of the question.

    Attributes:
        answer: The answer that is explained.
        score: Its score.
        grid: Weights in [0, 1] of equal parts of the picture, in rows from the top left. The part that counts most has
            1; one without which the score would be no lower has 0.
        words: The words of the question in their order, with their weights in [0, 1].
        drawing: A PNG file of the picture with the grid drawn over it, if the client wants that.
    """

    answer: str
    score: float
    grid: tuple[tuple[float, ...], ...]
    words: tuple[tuple[str, float], ...] = ()
    drawing: bytes = b""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranked answers in a task's output format.

    Attributes:
        noun: What the task calls one of them, ``answer`` or ``label``; a list of them has the plural.
        entries: Objects for JSON, best first, with the noun and ``score`` as keys, and the details.
    """

    noun: str = ""
    entries: tuple[Mapping[str, object], ...] = ()

    @property
    def best(self) -> str:
        """The text of the first answer."""
        return str(self.entries[0][self.noun])

    @property
    def summary(self) -> dict[str, object]:
        """The best answer with its details, its score as ``confidence``, and all answers under the noun's plural."""
        best = dict(self.entries[0])
        confidence = best.pop("score")
        return {**best, "confidence": confidence, f"{self.noun}s": self.entries}


@dataclass(frozen=True, slots=True)
class Item:
    """A query on its way through the pipeline, or the error that ended it.

    Each stage returns a new item. Later stages skip an item with an error, so a bad input never fails the others in its
    batch.

    Attributes:
        request_id: The label of the item's request.
        query: The question; ``UNREADABLE`` if the request's entry could not be read.
        picture: The picture of the question; of a conversation, the last.
        earlier: The other pictures of the conversation, in their order.
        answers: The family's answers, best first.
        recalled: What the caches held: ``answers``, the picture's ``features``, or nothing.
        ranked: The answers in the task's output format; without entries until they are finished.
        abstained: Whether the best score is below the recipe's ``abstain_below``, or the family abstained.
        explanation: What the answer rests on, if the query asks for it.
        error: The error of the stage that failed.
        deadline: Unix time after which nobody waits for the answer.
    """

    request_id: str
    query: Query = UNREADABLE
    picture: Picture = field(default_factory=Picture)
    earlier: tuple[Picture, ...] = ()
    answers: tuple[Answer, ...] = ()
    recalled: str = ""
    ranked: Ranking = Ranking()
    abstained: bool = False
    explanation: Explanation | None = None
    error: VqaError | None = None
    deadline: float = math.inf

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures in their order."""
        return (*self.earlier, self.picture)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the client should know about how the question and the pictures were read, in that order."""
        return (*self.query.warnings, *dict.fromkeys(warning for one in self.pictures for warning in one.warnings))

    def with_query(self, query: Query) -> Item:
        """The item with another query; with the same one it is not copied, because that takes some microseconds."""
        return self if query is self.query else replace(self, query=query)

    def with_pictures(self, pictures: Sequence[Picture]) -> Item:
        """The item with other pictures, in their order."""
        *earlier, last = pictures
        return replace(self, picture=last, earlier=tuple(earlier))


@dataclass(frozen=True, slots=True)
class Model:
    """The name and version of the model that answers."""

    name: str
    version: str
