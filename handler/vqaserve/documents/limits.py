"""What documents may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The part of a recipe's limits that concerns documents; the fields are those of ``settings.Limits``."""

    max_image_bytes: int
    max_pages: int
    max_document_seconds: float


@dataclass
class DocumentBudget:
    """What is left of one request's limits; each of its documents uses some of it.

    Attributes:
        seconds: CPU seconds that may still be used.
        deadline: Time on the monotonic clock after which no document of the batch is read.
    """

    seconds: float
    deadline: float = math.inf
