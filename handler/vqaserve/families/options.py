"""A recipe's ``options:``, validated by a pydantic model of the family."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from vqaserve.errors import RecipeError
from vqaserve.settings import HandlerSettings
from vqaserve.validation import FrozenModel, describe_faults


class Options(FrozenModel):
    """Base of a family's options; unknown keys are refused."""


Chosen = TypeVar("Chosen", bound=Options)


def read_options(kind: type[Chosen], settings: HandlerSettings) -> Chosen:
    """Validate the recipe's options.

    Raises:
        RecipeError: The message lists every faulty option.
    """
    try:
        return kind.model_validate(settings.options)
    except ValidationError as error:
        faults = describe_faults(kind, error)
        raise RecipeError(f"handler.options of family {settings.family!r}: {faults}") from None
