"""The error that operations on a server raise."""

from __future__ import annotations


class ServerError(Exception):
    """The server cannot be asked, or refused; the message says what to do."""
