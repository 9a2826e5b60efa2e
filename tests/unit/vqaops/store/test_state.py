"""The state of a server over changes, restarts and broken files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from vqaops.errors import ServerError
from vqaops.store.archive import Archive
from vqaops.store.state import State


@pytest.fixture(scope="module")
def built(make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Archive]:
    """Archives of many names and versions with the same content."""
    first = pack(make_recipe(), tmp_path_factory.mktemp("store"))

    def make(version: str, name: str = "dummy") -> Archive:
        path = first.path.with_name(f"{name}-{version}.mar")
        if path != first.path:
            shutil.copy(first.path, path)
        return Archive(path, name, version)

    return make


@pytest.fixture(scope="module")
def two(built: Callable[..., Archive]) -> list[Archive]:
    return [built("1.0.0"), built("1.10.0")]


def test_the_first_version_is_the_default_until_another_is_promoted(two: list[Archive]):
    state = State.of(two)
    assert state.models["dummy"].default == "1.0.0"
    assert state.with_default("dummy", "1.10.0").models["dummy"].default == "1.10.0"


def test_torchserve_is_handed_versions_default_workers_and_the_archives_own_settings(two: list[Archive]):
    state = State.of(two).with_default("dummy", "1.10.0").with_workers("dummy", "1.10.0", 3, 4)
    versions = json.loads(state.snapshot())["models"]["dummy"]
    assert [versions[version]["defaultVersion"] for version in ("1.0.0", "1.10.0")] == [False, True]
    assert (versions["1.10.0"]["minWorkers"], versions["1.10.0"]["maxWorkers"]) == (3, 4)
    assert (versions["1.10.0"]["batchSize"], versions["1.10.0"]["maxBatchDelay"]) == (8, 1)
    assert versions["1.10.0"]["marName"] == "dummy-1.10.0.mar"


def test_a_written_state_is_read_back_and_a_missing_file_gives_none(two: list[Archive], tmp_path: Path):
    assert State.read(tmp_path / "models.json") is None
    State.of(two).write(tmp_path / "models.json")
    assert State.read(tmp_path / "models.json") == State.of(two)


def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path):
    (tmp_path / "models.json").write_text('{"store": "/x", "models": {"dummy": 3}}')
    with pytest.raises(ServerError, match=r"models.json is not a server's state .* make serve"):
        State.read(tmp_path / "models.json")


def test_make_serve_replaces_a_version_that_it_does_not_know_and_undoes_no_rollback(two: list[Archive]):
    old, new = two
    assert list(State.of([old]).with_recipe(new).models["dummy"].versions) == ["1.10.0"]
    rolled_back = State.of(two)
    assert rolled_back.with_recipe(new) == rolled_back


def test_after_the_default_comes_the_highest_version_left_and_a_model_ends_with_its_last(
    two: list[Archive], built: Callable[..., Archive]
):
    state = State.of([*two, built("1.9.0")]).without("dummy", "1.0.0")
    assert state.models["dummy"].default == "1.10.0"
    assert not state.without("dummy", "1.9.0").without("dummy", "1.10.0").models


def test_archives_that_are_gone_or_changed_are_refused_by_name(built: Callable[..., Archive]):
    archive = built("1.0.0", name="other")
    state = State.of([archive])
    state.check()
    with archive.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(ServerError, match=r"other-1.0.0.mar has sha256 .* other 1.0.0 was registered with"):
        state.check()
    archive.path.unlink()
    with pytest.raises(ServerError, match=r"other-1.0.0.mar is missing"):
        state.check()
