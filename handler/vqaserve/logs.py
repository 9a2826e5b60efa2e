"""The worker's log: a line can be found by a request's id, and no line can pass for one of TorchServe's."""

from __future__ import annotations

import logging
import re

_CONTROL = re.compile(r"\[(METRICS|PID)\]|Torch worker started\.")
"""What TorchServe's front end obeys wherever it reads it in the worker's output."""
_LONGEST_ID = 128


class HarmlessFormatter(logging.Formatter):
    """Takes the power from TorchServe's control words: an exception may quote what a client sent."""

    def format(self, record: logging.LogRecord) -> str:
        """The message and its traceback."""
        return _CONTROL.sub(lambda found: found[0].replace("[", "(").replace("]", ")").lower(), super().format(record))


def safe_id(given: str) -> str:
    """A client's own id for its request, fit for a log: short, and of no character that ends or dresses a line."""
    return re.sub(r"[^\w.:/+=@-]", "?", given[:_LONGEST_ID], flags=re.ASCII)
