"""A few hundred damaged pictures; `make fuzz` sends 20,000."""

from __future__ import annotations

from rich.console import Console

from loadtest.fuzz import fuzz
from scripts.server import Server


def test_no_damaged_picture_costs_more_than_its_own_refusal(dummy_server: Server):
    outcome = fuzz(dummy_server.client, "dummy", cases=400, seed=1, show=Console(quiet=True))
    assert outcome.wrong == []
    assert not outcome.restarted
    assert sum(outcome.replies.values()) == 400
    assert {"200", "422 InvalidImage"} <= set(outcome.replies)
