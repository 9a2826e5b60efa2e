"""Where a rollback leads, also after one that was killed half-way."""

from __future__ import annotations

import pytest

from vqaops.rollout.defaults import rollback_target
from vqaops.store.history import Change

HISTORY = [("serve", "0.9.0"), ("promote", "1.0.0"), ("promote", "1.1.0")]
BACK = ("rollback", "1.0.0")


@pytest.mark.parametrize(
    ("changes", "answering", "recorded", "target"),
    [
        (HISTORY, "1.1.0", "1.1.0", "1.0.0"),
        ([*HISTORY, BACK], "1.0.0", "1.0.0", "0.9.0"),
        (HISTORY, "1.0.0", "1.1.0", "1.0.0"),  # killed before the history
        ([*HISTORY, BACK], "1.0.0", "1.1.0", "1.0.0"),  # killed between the history and the state
        (HISTORY[:2], "1.1.0", "1.0.0", "1.0.0"),  # a promotion killed before the history
        (HISTORY, "1.1.0", "1.0.0", "1.0.0"),  # a promotion killed between the history and the state
        (HISTORY, "2.0.0", "1.1.0", "1.1.0"),  # by other means
        (HISTORY[:1], "0.9.0", "0.9.0", None),
    ],
)
def test_a_rollback_leads_to_the_default_before(
    changes: list[tuple[str, str]], answering: str, recorded: str, target: str | None
):
    history = [Change.now(action, "shapes", version, "", is_default=True) for action, version in changes]
    found = rollback_target(history, "shapes", answering, recorded)
    assert (found.version if found else None) == target
