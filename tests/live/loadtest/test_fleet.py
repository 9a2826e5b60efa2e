"""Two machines on loopback behind one gateway: what they recall, and what they can answer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.fleet import recall, scaling
from loadtest.fleet.servers import Fleet
from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from vqaops.errors import ServerError
from vqaops.gateway.rendering import javascript_module


@pytest.fixture(scope="module")
def recipe(make_recipe: RecipeMaker) -> Path:
    return make_recipe()


@pytest.fixture(scope="module")
def fleet(recipe: Path, run_folder: Callable[[], Path]) -> Iterator[Fleet]:
    try:
        javascript_module()
        subprocess.run(["openssl", "version"], check=True, capture_output=True)
    except (ServerError, FileNotFoundError) as error:
        pytest.skip(f"{error}")
    folder = run_folder()
    fleet = Fleet(folder)
    with fleet.serving(pack(recipe, folder / "store"), count=2, cores=0):
        yield fleet


def test_one_persons_chats_stay_on_their_machine_with_pictures_and_alternate_with_round_robin(fleet: Fleet):
    results = recall.measure(fleet, "dummy", [8], rounds=1, people=1, chats=2, progress=lambda text: None)
    recalled = {one.balance: one.recalled for one in results}
    assert recalled["pictures"] == 1 - 1 / 8
    assert recalled["round robin"] == 1 - 2 / 8
    assert {one.balance: len(one.latencies) for one in results} == dict.fromkeys(recall.BALANCES, 16)


def test_a_capacity_is_found_with_a_locust_that_is_distributed(fleet: Fleet, recipe: Path, tmp_path: Path):
    slo = tmp_path / "slo.yaml"
    slo.write_text("SingleQuestion: {failure_ratio: 0}\n")
    plan = scaling.Plan(recipe, "SingleQuestion", slo, seconds=5, halvings=0, processes=2, most=2)
    scaling.warm_up(fleet, plan, rate=2)
    assert all(one.counts().requests for one in fleet.machines)
    found = scaling.measure(fleet, plan, machines=2, first=2, progress=lambda text: None, show=print)
    assert (found.machines, found.rate) == (2, 2)
    assert found.p95 > 0
    assert found.machine_ms > found.gateway_ms > 0
