"""What the page can be told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vqaops.paths import CONFIG, RUN


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The page's settings.

    Attributes:
        run: Run folder of the server; the page reads its tokens there.
        config: The server's properties, for its addresses while it does not run.
        host: Address to listen on.
        port: Port to listen on.
        per_minute: Questions that one person may ask in a minute.
        trust_proxy: Whether a proxy in front of the page may name the person in ``X-Forwarded-For``. Without a proxy
            anybody could write that header, and be somebody else with each question.
        max_picture_bytes: Largest picture file that is sent to the server.
        wait_seconds: Seconds in which a question that failed for a passing reason is sent again.
    """

    run: Path = RUN
    config: Path = CONFIG
    host: str = "127.0.0.1"
    port: int = 7860
    per_minute: int = 10
    trust_proxy: bool = False
    max_picture_bytes: int = 24 * 2**20
    wait_seconds: float = 10
