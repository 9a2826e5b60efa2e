"""A model that leaves everything to the machine is calibrated, and all its workers compute as was chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.archives import pack
from tests.support.families import PAIRS, SHORT, encoded
from tests.support.servers import BRIEF
from tests.tiny.kinds import Tiny
from tests.tiny.recipe import complete_recipe
from vqaops.calibrating import measuring
from vqaops.rollout import listing
from vqaops.server.descriptions import describe
from vqaops.server.management import Management
from vqaops.server.own_server import own_server, wait_for_all_workers
from vqaserve.calibration import Calibration, calibration_file
from vqaserve.layout import Room

AUTO = "minWorkers: auto\nmaxWorkers: auto\nbatchSize: 2\nmaxBatchDelay: 1\n"


def test_every_worker_computes_as_the_calibration_says(
    make_tiny: Callable[[str], Tiny], run_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(measuring, "SECONDS", 600.0)  # on a busy machine the time for all candidates would be over
    tiny, folder = make_tiny("vilt_openvino"), run_folder()
    picture = encoded(PAIRS[0][0])
    recipe = complete_recipe(tiny.folder, tiny.settings.model_dump(exclude_defaults=True), picture, SHORT)
    handler = json.dumps(
        {"version": "1.0.0", "family": "hf_classifier", "threads": "auto", "precision": "auto", "agreement": 0.01}
        | {"options": {"runtime": "auto"}}
    )
    (recipe / "model-config.yaml").write_text(f"{AUTO}handler: {handler}\n")
    archive = pack(recipe, folder / "store")
    with own_server([archive], folder / "run", measures=True, **BRIEF) as server:
        pids = wait_for_all_workers(server, [archive])
        found = Calibration.model_validate_json(calibration_file(server.run, archive.content_sha256).read_bytes())
        assert found.chosen
        assert {one.arithmetic.runtime for one in found.trials} == {"torch", "openvino"}
        assert len(pids) == found.conditions.workers == Room.here("cpu").layout().workers

        said = describe(server.client, archive.name)
        assert said
        assert (said.arithmetic, said.chosen_by, said.reason) == (str(found.chosen), "calibration", found.reason)
        (row,) = listing.rows(Management(server.client))
        assert (row.arithmetic, row.chosen_by, row.reason) == (said.arithmetic, said.chosen_by, said.reason)

        told = re.findall(r"computes with (\w+) in (\w+) \(calibration: ", server.model_log.read_text())
        assert told == [(found.chosen.runtime, found.chosen.precision)] * len(pids)
        metrics = httpx.get(f"{server.client.addresses.metrics}/metrics", headers=server.client.header("inference"))
        (info,) = re.findall(r"^vqa_model_info\{(.*)\} 1\.0$", metrics.text, re.M)
        assert f'runtime="{found.chosen.runtime}",precision="{found.chosen.precision}",chosen_by="calibration"' in info
