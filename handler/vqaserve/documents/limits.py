"""What a document may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The part of a recipe's limits that concerns documents; the fields are those of ``settings.Limits``."""

    max_image_bytes: int
    max_pages: int
    max_document_seconds: float
