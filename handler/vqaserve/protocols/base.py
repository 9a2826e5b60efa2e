"""The interface of a wire format. A format recognises and translates requests; it never opens a picture."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import BadRequest, VqaError
from vqaserve.protocols.content import Real, Whole
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, RemoteImage, Reply, Request
from vqaserve.writing import Writing

_MOST_LABELS = 10_000
"""Labels that a text is divided into; no recipe allows as many. 24 MB may hold eight million, which take 640 MB."""


class Protocol(ABC):
    """A wire format."""

    replies_to_documents: bool = False
    """Whether one query may be answered page by page."""

    @abstractmethod
    def recognises(self, request: Request) -> bool:
        """Whether a request is of this format."""

    @abstractmethod
    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """The questions of a request in order; each is a query, or the error that makes it unreadable.

        Raises:
            VqaError: The request as a whole cannot be read.
        """

    def refuse(self, error: VqaError) -> Reply:
        """The reply to a request that fails as a whole."""
        return as_json(error.body, error.status)

    @abstractmethod
    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """The reply to a request, from its finished items in the order of ``parse``."""

    def event_writer(self, request: Request, item: Item, model: Model) -> EventWriter:
        """Words the reply to a request whose query asks for a stream; not every format has streams."""
        raise NotImplementedError


class EventWriter(ABC):
    """Words a reply of server-sent events: a beginning, texts, and an end; or a beginning and the whole."""

    @property
    @abstractmethod
    def is_stepwise(self) -> bool:
        """Whether the text can be sent as it is written."""

    @abstractmethod
    def begin(self) -> bytes:
        """The events before the first text."""

    @abstractmethod
    def more(self, text: str) -> bytes:
        """The events with the next part of the text."""

    @abstractmethod
    def end(self, rest: str, writing: Writing | None) -> bytes:
        """The events with the rest of the text and the end; ``writing`` says how it was written, if by tokens."""

    @abstractmethod
    def whole(self, item: Item) -> bytes:
        """The events after the beginning, for a finished item of which nothing has been sent."""

    @abstractmethod
    def fail(self, error: VqaError) -> bytes:
        """The events that end a stream with an error."""


class Strict(BaseModel):
    """An object of a request in which no other names are allowed."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Parameters(Strict):
    """What a client can set for a model; a family refuses what it does not support."""

    top_k: Whole | None = Field(default=None, description="How many ranked answers to return.")
    max_new_tokens: Whole | None = Field(default=None, description="Generative models: maximum length of the answer.")
    num_beams: Whole | None = Field(default=None, description="Generative models: beams to search; 1 is greedy.")
    temperature: Real | None = Field(default=None, description="Generative models: 0 is greedy.")
    top_p: Real | None = Field(default=None, description="Generative models: probability to sample within.")
    seed: Whole | None = Field(default=None, description="Generative models: the same seed gives the same answer.")
    candidate_labels: list[str] | str | None = Field(
        default=None, description="Zero-shot classification: the labels, as a list or separated by commas."
    )
    hypothesis_template: str | None = Field(
        default=None, description="Zero-shot classification: the sentence that a label is put into, in place of {}."
    )

    answer: str | None = Field(
        default=None, description="Explanations: the answer to explain, instead of the best one."
    )

    def query(
        self,
        image: bytes | RemoteImage,
        question: str | None,
        warnings: Sequence[str] = (),
        labels: Sequence[str] | str | None = None,
    ) -> Query:
        """A query with these parameters; the task refuses what it does not read, and says what is missing.

        Args:
            image: The picture.
            question: The question, if one was sent.
            warnings: What was sent and is not used.
            labels: Candidate labels that were sent as ``labels``.

        Raises:
            BadRequest: There are labels under both names.
        """
        if labels and self.candidate_labels:
            raise BadRequest("the request has both 'labels' and 'candidate_labels'; send one of them")
        names = "max_new_tokens", "num_beams", "temperature", "top_p", "seed"
        rest = {name: value for name in names if (value := getattr(self, name)) is not None}
        return Query(
            image=image,
            question=question or "",
            top_k=self.top_k,
            parameters=rest,
            warnings=tuple(warnings),
            labels=split_labels(labels or self.candidate_labels),
            hypothesis_template=self.hypothesis_template or "",
            answer=self.answer or "",
        )


def split_labels(labels: Sequence[str] | str | None) -> tuple[str, ...]:
    """Labels as they came in a list, or the parts of a text between its commas, without those that are blank."""
    if isinstance(labels, str):
        return tuple(label.strip() for label in labels.split(",", _MOST_LABELS) if label.strip())
    return tuple(labels or ())


def failed_whole(items: Sequence[Item]) -> VqaError | None:
    """The first error if every item has one: a reply with another status than 200 is one error, never a list."""
    faults = [item.error for item in items]
    return faults[0] if all(faults) else None


def remarks(item: Item) -> dict[str, object]:
    """What a reply says beside an answer: ``abstained`` if its score is below the recipe's threshold, and warnings."""
    return {
        **({"abstained": True} if item.abstained else {}),
        **({"warnings": list(item.warnings)} if item.warnings else {}),
    }


def query_or_error(parse: Callable[[], Query]) -> Query | VqaError:
    """One question of several: a query, or its own error."""
    try:
        return parse()
    except VqaError as error:
        return error.kept()


def as_json(content: object, status: int = HTTPStatus.OK) -> Reply:
    """A reply in compact JSON.

    Raises:
        ValueError: A number is NaN or infinite, which JSON cannot express.
    """
    body = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Reply(body=body.encode(), status=int(status))
