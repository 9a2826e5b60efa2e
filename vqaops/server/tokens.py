"""Renewal of TorchServe's tokens before they expire."""

from __future__ import annotations

from enum import StrEnum

from vqaops.errors import ServerError
from vqaops.server.key_file import KeyFile
from vqaops.server.server import Server

WEEK = 7 * 86400
"""More than the three days at which the alert VqaTokenExpires fires, which then means that nothing renews tokens."""


class TokenKind(StrEnum):
    """Which of TorchServe's addresses a token opens."""

    INFERENCE = "inference"
    MANAGEMENT = "management"


def renew_due(server: Server) -> None:
    """Renew the tokens that expire within a week, or within a third of their life if that is shorter.

    Processes that run beside the server all the time call this. The gateway and other readers of the key file go on
    with the new token.

    Raises:
        ServerError: There is no key file, or it lacks a token.
    """
    spare = min(WEEK, 60 * _minutes(server) / 3)
    for kind in TokenKind:
        if KeyFile(server.client.key_file).seconds_left(kind) < spare:
            server.client.renew_token(kind, server.client.token(kind))


def _minutes(server: Server) -> float:
    given = server.properties.get("token_expiration_min", "60")
    try:
        return float(given)
    except ValueError:
        raise ServerError(f"token_expiration_min={given} is not a number; correct config.properties") from None
