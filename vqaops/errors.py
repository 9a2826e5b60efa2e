"""The error of operations on a server."""

from __future__ import annotations


class ServerError(Exception):
    """An operation on a server failed or was refused; the message says what to do."""
