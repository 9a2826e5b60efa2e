"""The versions that rollbacks go back to."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqaops.errors import ServerError
from vqaops.store import history
from vqaops.store.history import Change, defaults


def event(action: str, version: str, is_default: bool = True, sha256: str = "") -> Change:
    return Change.now(action, "shapes", version, sha256 or f"sha of {version}", is_default=is_default)


def way_back(*events: Change) -> list[str]:
    return [one.version for one in defaults(events, "shapes")]


def test_rollback_goes_from_each_default_to_the_one_before():
    assert way_back(event("serve", "1.0.0"), event("promote", "1.1.0")) == ["1.0.0", "1.1.0"]


def test_rollback_ignores_versions_that_never_were_the_default():
    others = [event(action, "1.1.0", is_default=False) for action in ("register", "refuse", "scale", "remove")]
    assert way_back(event("serve", "1.0.0"), *others) == ["1.0.0"]


def test_a_second_rollback_goes_to_an_older_default():
    events = [
        event("serve", "1.0.0"),
        event("promote", "1.1.0"),
        event("promote", "1.2.0"),
        event("rollback", "1.1.0"),
    ]
    assert way_back(*events) == ["1.0.0", "1.1.0"]


def test_a_version_with_other_contents_is_another_default():
    assert way_back(event("serve", "1.0.0"), event("serve", "1.0.0", sha256="another")) == ["1.0.0", "1.0.0"]


def test_another_models_events_are_not_on_the_way():
    other = event("promote", "9.0.0").model_copy(update={"model": "rooms"})
    assert way_back(event("serve", "1.0.0"), other) == ["1.0.0"]


def test_events_are_appended_and_read_back_with_who_and_when(tmp_path: Path):
    file = tmp_path / "history.jsonl"
    assert history.read(file) == []
    written = [event("serve", "1.0.0"), event("promote", "1.1.0")]
    for one in written:
        history.append(file, one)
    assert history.read(file) == written
    assert all(one.who and one.time.tzinfo for one in written)


def test_a_line_that_is_no_change_is_named_by_its_number(tmp_path: Path):
    file = tmp_path / "history.jsonl"
    history.append(file, event("serve", "1.0.0"))
    with file.open("a") as handle:
        handle.write('{"half": ')
    with pytest.raises(ServerError, match=r"history.jsonl:2 is no change"):
        history.read(file)
