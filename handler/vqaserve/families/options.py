"""What a recipe's ``options:`` tell a family, read into the family's own pydantic model."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vqaserve.errors import RecipeError
from vqaserve.settings import HandlerSettings
from vqaserve.validation import describe_faults


class Options(BaseModel):
    """Base of a family's options; a key that it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Chosen = TypeVar("Chosen", bound=Options)


def read_options(kind: type[Chosen], settings: HandlerSettings) -> Chosen:
    """The recipe's options as the family's model of them.

    Raises:
        RecipeError: With every option at fault, and what the family knows.
    """
    try:
        return kind.model_validate(settings.options)
    except ValidationError as error:
        faults = describe_faults(kind, error)
        raise RecipeError(f"handler.options of family {settings.family!r}: {faults}") from None
