"""A model of each family as an archive: what is built answers as what it was built of, or is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtest.trials import TrialRunner
from tests.support.archives import pack
from tests.support.families import PAIRS, SHORT, answers, encoded
from tests.tiny.damage import reshape
from tests.tiny.kinds import Tiny
from tests.tiny.recipe import complete_recipe
from vqaops.building.build import build
from vqaops.building.worker import InProcessWorker
from vqaops.tuning.space import Candidate
from vqaserve.errors import RecipeError
from vqaserve.images import open_picture
from vqaserve.limits import Limits
from vqaserve.types import Query

ARCHIVED = ["dummy", "modular", "vilt", "vilt_openvino", "blip", "clip_llm"]  # one kind of each family


@pytest.mark.parametrize("kind", ARCHIVED)
def test_the_archive_gives_the_same_answers(kind: str, make_tiny: Callable[[str], Tiny], tmp_path: Path):
    tiny = make_tiny(kind)
    file = encoded(PAIRS[0][0])
    picture = open_picture(file, Limits().pictures).pixels
    expected = answers(tiny.load(), [(picture, Query(b"", SHORT, top_k=2))])[0]
    archive = pack(whole_recipe(tiny, file), tmp_path)
    with zipfile.ZipFile(archive.path) as mar:
        mar.extractall(tmp_path / "unpacked")
    (reply,) = InProcessWorker.load(tmp_path / "unpacked").predict([{"image": file, "question": SHORT, "top_k": "2"}])
    found = json.loads(reply.body)["answers"]
    assert [(entry["answer"], entry["score"]) for entry in found] == [
        (answer.answer, pytest.approx(answer.score, abs=1e-5)) for answer in expected
    ]


def whole_recipe(tiny: Tiny, picture: bytes) -> Path:
    return complete_recipe(tiny.folder, tiny.settings.model_dump(exclude_defaults=True), picture, SHORT)


def test_weights_that_do_not_fit_are_refused_at_build_in_one_line(make_tiny: Callable[[str], Tiny], tmp_path: Path):
    tiny = make_tiny("vilt")
    reshape(tiny.folder / "weights" / "model.safetensors")
    with pytest.raises(RecipeError, match=r"weights do not fit config\.json: .* is \[65, 32\], \[64, 32\] would fit$"):
        build(whole_recipe(tiny, encoded(PAIRS[0][0])), tmp_path)


def test_a_worker_reads_the_network_that_the_build_has_converted(make_tiny: Callable[[str], Tiny], tmp_path: Path):
    tiny = make_tiny("vilt_openvino")
    file = encoded(PAIRS[0][0])
    recipe = complete_recipe(tiny.folder, tiny.settings.model_dump(exclude_defaults=True), file, SHORT)
    with zipfile.ZipFile(pack(recipe, tmp_path).path) as archive:
        archive.extractall(tmp_path / "unpacked")
    (tmp_path / "unpacked" / "weights" / "model.safetensors").unlink()  # what converting would need
    (reply,) = InProcessWorker.load(tmp_path / "unpacked").predict([{"image": file, "question": SHORT}])
    assert reply.status == 200


def test_a_trial_serves_the_archive_with_its_own_settings(make_tiny: Callable[[str], Tiny], tmp_path: Path):
    archive = pack(whole_recipe(make_tiny("dummy"), encoded(PAIRS[0][0])), tmp_path)
    runner = TrialRunner(archive, connections=1, seconds=0, folder=tmp_path / "tune")
    tried = runner.archive_for(Candidate(workers=1, threads=1, batch=2, delay=1, precision="int8"))
    settings = tried.settings
    assert (settings.handler.precision, settings.batchSize, tried.name) == ("int8", 2, archive.name)
