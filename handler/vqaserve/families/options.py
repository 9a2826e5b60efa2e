"""What a recipe's ``options:`` tell a family, read into the family's own pydantic model."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vqaserve.errors import RecipeError
from vqaserve.settings import HandlerSettings


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
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r:.80}"
            for fault in error.errors()
        )
        known = ", ".join(sorted(kind.model_fields)) or "nothing"
        raise RecipeError(f"handler.options of family {settings.family!r}: {faults} (it knows: {known})") from None
