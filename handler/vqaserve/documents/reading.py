"""Reads documents in a child process, which a hostile file can exhaust or crash without harm to the worker.

Each document gets a process of its own (rendering.py): a document costs seconds, and a process starts in a quarter of
one. The kernel ends it when it has used what is left of its request's CPU time, and refuses it memory over its limit.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from vqaserve.documents.limits import DocumentBudget, DocumentLimits
from vqaserve.documents.pages import Page, read_ranges
from vqaserve.errors import InvalidImage, InvalidParameter, Overloaded

_PROGRAM = "vqaserve.documents.rendering"  # not imported: only the child needs a PDF library
_SLOWER = 4  # wall-clock seconds for each CPU second, on a busy machine


def read_document(
    data: bytes, wanted: str, limits: DocumentLimits, budget: DocumentBudget | None = None
) -> list[tuple[Page, bytes]]:
    """Render pages of a PDF, of a TIFF, or a picture as a document of one page.

    Args:
        data: The file.
        wanted: The pages, as ``choose_pages`` reads them.
        limits: The largest file, and what it may cost.
        budget: What is left of the limits of the document's request; its cost is subtracted. None for a document by
            itself.

    Returns:
        Each page with its picture, a grey PNG file with 150 dpi at most.

    Raises:
        InvalidImage: The file is no document, is damaged or encrypted, or takes too much time or memory.
        InvalidParameter: ``wanted`` names no pages of the document, or too many.
        Overloaded: The deadline of the batch has passed.
    """
    budget = budget or DocumentBudget(limits.max_document_seconds)
    if len(data) > limits.max_image_bytes:
        raise InvalidImage(f"the document has {len(data):,} bytes; at most {limits.max_image_bytes:,} are allowed")
    if wanted:  # before it becomes an argument of a process, which cannot hold every text
        read_ranges(wanted)
    if time.monotonic() >= budget.deadline:
        raise Overloaded("the server is too busy to read this document now; ask again later")
    too_slow = (
        f"the document ({len(data):,} bytes) takes too long to read; the documents of one request have "
        f"{limits.max_document_seconds:g} s of CPU time together: choose fewer pages, such as pages=1-2, or send fewer "
        "documents at once"
    )
    if budget.seconds <= 0:
        raise InvalidImage(too_slow)
    command = [sys.executable, "-m", _PROGRAM, wanted, str(limits.max_pages), str(budget.seconds)]
    folder = Path(__file__).parents[2]  # where -m finds the package: the archive's root, or handler/
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    before = _seconds_of_children()
    try:
        child = subprocess.run(
            command, input=data, capture_output=True, timeout=_SLOWER * budget.seconds, cwd=folder, env=environment
        )
    except subprocess.TimeoutExpired:
        budget.seconds = 0
        raise InvalidImage(too_slow) from None
    budget.seconds -= _seconds_of_children() - before
    if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise InvalidImage(too_slow)
    if child.returncode:
        raise InvalidImage(
            f"the document ({len(data):,} bytes) is damaged in a way that crashes its reader, or needs too much "
            "memory; print it into a new PDF"
        )
    return _pages(child.stdout)


def _seconds_of_children() -> float:
    """CPU seconds of the child processes that have ended, however they ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _pages(output: bytes) -> list[tuple[Page, bytes]]:
    """What the child wrote: a line of JSON before each picture, or a refusal alone."""
    pages, at = [], 0
    while at < len(output):
        end = output.index(b"\n", at)
        head = json.loads(output[at:end])
        if "refused" in head:
            raise (InvalidParameter if head["parameter"] else InvalidImage)(head["refused"])
        at = end + 1 + head["bytes"]
        hidden = tuple((x, y) for x, y in head["hidden"])
        left, top, right, bottom = head["content"]
        page = Page(head["number"], head["of"], (left, top, right, bottom), hidden, tuple(head["warnings"]))
        pages.append((page, output[end + 1 : at]))
    return pages
