"""The server's tokens: when they expire, and new ones in their place."""

from __future__ import annotations

from enum import StrEnum

from vqaops.server.key_file import KeyFile
from vqaops.server.server import Server

WEEK = 7 * 86400
"""Longer than VqaTokenExpires allows: it tells that nobody renews."""


class Kind(StrEnum):
    """What a token opens."""

    INFERENCE = "inference"
    MANAGEMENT = "management"


def renew_due(server: Server) -> None:
    """Renew the tokens that end within a week, or a third of a shorter life.

    For what runs beside the server all the time: the gateway, and whoever reads the key file, goes on with the new one.

    Raises:
        ServerError: There is no key file, or it lacks a token.
    """
    spare = min(WEEK, 60 * float(server.properties.get("token_expiration_min", 60)) / 3)
    for kind in Kind:
        if KeyFile(server.client.key_file).seconds_left(kind) < spare:
            server.client.renewed(kind, server.client.key(kind))
