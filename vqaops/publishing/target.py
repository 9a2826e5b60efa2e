"""Where a publication goes."""

from __future__ import annotations

from dataclasses import dataclass

MAIN = "main"
"""The branch that every repository has."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to publish, and how.

    Attributes:
        repo: ``USER/NAME``.
        revision: A branch, which is created if the repository does not have it.
        message: The commit's message.
        private: Whether a new repository is private; None leaves it to the account's setting.
    """

    repo: str
    message: str
    revision: str = MAIN
    private: bool | None = None
