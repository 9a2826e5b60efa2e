"""Run one stage of the pipeline item by item: an item that fails gets an error, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from vqaserve.errors import InternalError, OutOfMemory, VqaError
from vqaserve.types import Item

log = logging.getLogger(__name__)


def run_stage(stage: Callable[[Item], Item], items: Sequence[Item]) -> list[Item]:
    """Apply a stage to every item without an error, and return all items in order."""
    return [item if item.error else _attempt(stage, item) for item in items]


def to_vqa_error(error: Exception, request_id: str) -> VqaError:
    """Translate an exception for the client; the traceback of an unexpected one goes to the log."""
    if isinstance(error, VqaError):
        return error.kept()
    log.error("request %s failed", request_id, exc_info=error)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate memory" in str(error):
        return OutOfMemory("this question does not fit into the server's memory; send a smaller picture")
    return InternalError("the server failed on this question; its log has the details under the request id")


def _attempt(stage: Callable[[Item], Item], item: Item) -> Item:
    try:
        return stage(item)
    except Exception as error:  # noqa: BLE001 - one item's error must not fail the batch
        return replace(item, error=to_vqa_error(error, item.request_id))
