"""A stage of the road, item by item: what fails there becomes that item's error, and no other's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from vqaserve.errors import InternalError, OutOfMemory, VqaError
from vqaserve.types import Item

log = logging.getLogger(__name__)


def each(stage: Callable[[Item], Item], items: Sequence[Item]) -> list[Item]:
    """Every item after a stage, in order; those that have failed before pass by untouched."""
    return [item if item.error is not None else _attempt(stage, item) for item in items]


def translated(error: Exception, request_id: str) -> VqaError:
    """An error as a client may see it; what is not a client's doing is logged with its traceback."""
    if isinstance(error, VqaError):
        return error
    log.error("request %s failed", request_id, exc_info=error)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate memory" in str(error):
        return OutOfMemory("this question does not fit into the server's memory; send a smaller picture")
    return InternalError("the server failed on this question; its log has the details under the request id")


def _attempt(stage: Callable[[Item], Item], item: Item) -> Item:
    try:
        return stage(item)
    except Exception as error:  # noqa: BLE001 - the rim: translated and logged
        return replace(item, error=translated(error, item.request_id))
