"""A whole rollout and its rollback under load."""

from __future__ import annotations

from tests.support.rollout import ModelsCommand, asking

CONNECTIONS = 4
PAUSE = 0.01
"""Seconds between an answer and the next question, which leave CPU time for the commands."""


def test_under_load_register_promote_drain_remove_and_roll_back_lose_no_request(models: ModelsCommand, capsys):
    with asking(models.server, CONNECTIONS, pause=PAUSE) as traffic:
        traffic.wait_for("1.0.0")

        models.json("register", models.archive("1.1.0"))
        assert traffic.answered["1.1.0"] == 0
        models.json("promote", "1.1.0")
        traffic.wait_for("1.1.0")
        models.json("remove", "dummy", "1.0.0")
        assert models.versions() == ["1.1.0"]
        before = traffic.answered["1.0.0"]
        models.json("rollback")
        assert models.default() == "1.0.0"
        models.json("remove", "1.1.0")

    assert traffic.answered["1.0.0"] > before
    assert traffic.wrong == []
    actions = [event["action"] for event in models.history()]
    assert actions == ["serve", "register", "promote", "remove", "rollback", "remove"]
    with capsys.disabled():
        print(f"\n{dict(traffic.answered)} answered, 0 wrong, slowest {traffic.slowest:.2f} s")  # noqa: T201
