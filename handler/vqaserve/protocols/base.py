"""What a wire format is to the rest; it recognises and translates, and never opens a picture."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from vqaserve.errors import VqaError
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, RemoteImage, Reply, Request


class Protocol(ABC):
    """One wire format."""

    @abstractmethod
    def recognises(self, request: Request) -> bool:
        """Whether a request is of this format."""

    @abstractmethod
    def parse(self, request: Request, settings: HandlerSettings) -> Sequence[Query | VqaError]:
        """The entries of a request in order, each a query or what is wrong with it.

        Raises:
            VqaError: The request as a whole cannot be understood.
        """

    def refuse(self, error: VqaError) -> Reply:
        """The reply to a request that cannot be answered as a whole."""
        return as_json(error.body, error.status)

    @abstractmethod
    def reply(self, request: Request, items: Sequence[Item], model: Model) -> Reply:
        """The reply to a request, from its finished items in the order of ``parse``."""


class Parameters(BaseModel):
    """What every JSON format lets a client ask of the model; a family refuses what it cannot do."""

    model_config = ConfigDict(extra="forbid")

    top_k: int | None = Field(default=None, description="How many ranked answers to return.")
    max_new_tokens: int | None = Field(default=None, description="Generative models: length of the answer.")
    num_beams: int | None = Field(default=None, description="Generative models: beams searched; 1 is greedy.")
    temperature: float | None = Field(default=None, description="Generative models: 0 is greedy.")

    def query(self, image: bytes | RemoteImage, question: str) -> Query:
        """A query with these parameters."""
        rest = self.model_dump(include={"max_new_tokens", "num_beams", "temperature"}, exclude_none=True)
        return Query(image=image, question=question, top_k=self.top_k, parameters=rest)


def failed_whole(items: Sequence[Item]) -> VqaError | None:
    """The first error when every item has one: a reply that is not 200 is always one error, never a list."""
    faults = [item.error for item in items]
    return faults[0] if all(faults) else None


def notes(item: Item) -> dict[str, object]:
    """``{"warnings": [...]}`` for a reply to an item that has warnings, else nothing."""
    return {"warnings": list(item.warnings)} if item.warnings else {}


def settle(parse: Callable[[], Query]) -> Query | VqaError:
    """One entry of several: a query, or its own error."""
    try:
        return parse()
    except VqaError as error:
        return error


def as_json(content: object, status: int = HTTPStatus.OK) -> Reply:
    """Compact JSON; NaN is refused rather than sent as text that is not JSON."""
    body = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Reply(body=body.encode(), status=int(status))
