"""The worker's log: no message can act as a command to TorchServe, and request ids are safe to print."""

from __future__ import annotations

import logging
import re

_CONTROL = re.compile(r"\[(METRICS|PID)\]|Torch worker started\.")
"""Words that TorchServe's front end obeys anywhere in the worker's output."""
_LONGEST_ID = 128


class HarmlessFormatter(logging.Formatter):
    """Defuses TorchServe's control words in messages: an exception may quote what a client sent."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message and its traceback."""
        return _CONTROL.sub(lambda found: found[0].replace("[", "(").replace("]", ")").lower(), super().format(record))


def safe_id(given: str) -> str:
    """Return a client's request id for the log: shortened, and without control and markup characters."""
    return re.sub(r"[^\w.:/+=@-]", "?", given[:_LONGEST_ID], flags=re.ASCII)
