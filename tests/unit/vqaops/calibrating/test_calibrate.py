"""A server's archives are calibrated before it starts; nothing here needs Java."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from vqaops.calibrating.calibrate import Calibrator, best
from vqaops.calibrating.measuring import Measuring
from vqaops.calibrating.processes import LATE
from vqaops.server.run_folder import RunFolder
from vqaops.store.archive import Archive
from vqaserve.calibration import Arithmetic, Calibration, Trial, calibration_file
from vqaserve.settings import Precision

AMX, NO_AMX = ("amx_bf16", "avx512_bf16", "avx512_vnni"), ("avx512_bf16", "avx512_vnni")


@dataclass
class Shown:
    """What a calibration says, and its run folder."""

    run: Path
    lines: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def calibrate(self, archive: Archive, measures: bool = True) -> None:
        self.lines.clear()
        self.steps.clear()
        Calibrator(RunFolder(self.run), self.lines.append, self.steps.append, measures).calibrate([archive])

    def file(self, archive: Archive) -> Path:
        return calibration_file(self.run, archive.content_sha256)

    def write(self, archive: Archive, calibration: Calibration) -> None:
        self.file(archive).parent.mkdir(parents=True)
        self.file(archive).write_text(calibration.model_dump_json())

    def read(self, archive: Archive) -> Calibration:
        return Calibration.model_validate_json(self.file(archive).read_bytes())


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(tmp_path / "run")


@pytest.fixture(scope="module")
def archive(make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A weightless model whose recipe leaves the precision open."""
    return pack(make_recipe(handler="  precision: auto\n"), tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def made(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    """Its calibration on this machine."""
    shown = Shown(tmp_path_factory.mktemp("calibrated") / "run")
    shown.calibrate(archive)
    assert shown.steps[0] == "calibrating dummy 1.0.0: unpacking"
    assert not (shown.run / "calibrating").exists()
    return shown.read(archive)


@pytest.fixture
def measured(made: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is measured again gives what was measured once, without the processes."""
    monkeypatch.setattr(Measuring, "trials", lambda self: made.trials)


def test_a_calibration_is_kept(archive: Archive, made: Calibration, shown: Shown):
    assert made.trials
    shown.write(archive, made)
    shown.calibrate(archive)
    assert (shown.lines, shown.steps) == ([], [])
    assert shown.read(archive) == made


@pytest.mark.usefixtures("measured")
def test_a_calibration_of_another_processor_is_made_again(archive: Archive, made: Calibration, shown: Shown):
    machine = made.machine.model_copy(update={"processor": "GenuineIntel 6 143 8"})
    shown.write(archive, made.model_copy(update={"machine": machine}))
    shown.calibrate(archive)
    assert shown.lines[0] == ("an earlier calibration is ignored: it is of another processor (GenuineIntel 6 143 8)")
    assert shown.read(archive).machine == made.machine


@pytest.mark.usefixtures("measured")
def test_a_calibration_for_other_workers_is_made_again(archive: Archive, made: Calibration, shown: Shown):
    conditions = made.conditions.model_copy(update={"workers": 7})
    shown.write(archive, made.model_copy(update={"conditions": conditions}))
    shown.calibrate(archive)
    assert "other numbers of workers" in shown.lines[0]
    assert shown.read(archive).conditions == made.conditions


@pytest.mark.usefixtures("measured")
def test_an_unreadable_calibration_is_made_again(archive: Archive, shown: Shown, caplog: pytest.LogCaptureFixture):
    shown.file(archive).parent.mkdir(parents=True)
    shown.file(archive).write_text("{")
    shown.calibrate(archive)
    assert shown.read(archive).trials
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [f"{shown.file(archive)} is ignored"]


@pytest.mark.usefixtures("measured")
def test_without_a_calibration_the_file_says_so_and_the_next_start_measures(archive: Archive, shown: Shown):
    shown.calibrate(archive, measures=False)
    assert (shown.read(archive).chosen, shown.read(archive).trials, shown.steps) == (None, (), [])
    shown.calibrate(archive)
    assert shown.read(archive).trials


def test_a_recipe_that_leaves_nothing_open_is_not_calibrated(archive: Archive, tmp_path: Path, shown: Shown):
    with zipfile.ZipFile(archive.path) as built, zipfile.ZipFile(tmp_path / archive.path.name, "w") as changed:
        for name in built.namelist():
            changed.writestr(name, built.read(name).replace(b"precision: auto", b"precision: fp32"))
    shown.calibrate(Archive.read(tmp_path / archive.path.name))
    assert not shown.run.exists()


def trial(runtime: str, precision: Precision, cost: float | None = None, failure: str = "") -> Trial:
    return Trial(arithmetic=Arithmetic(runtime=runtime, precision=precision), cpu_ms=cost, failure=failure)


def test_the_cheapest_candidate_that_keeps_the_answers_is_chosen_once_all_are_measured():
    fp32, bf16 = trial("torch", "fp32", 370), trial("torch", "bf16", 250)
    int8 = trial("torch", "int8", 140, "keeps 90.0% of the probe answers")
    assert best([fp32, bf16, int8], AMX) == bf16
    assert best([int8], AMX) is None
    late = trial("openvino", "bf16", failure=LATE)
    assert best([fp32, bf16, late], AMX) is None  # it may be the best


def test_of_candidates_that_cost_nearly_the_same_the_static_rules_first_one_is_chosen():
    torch, openvino = trial("torch", "bf16", 98.3), trial("openvino", "bf16", 90.7)
    assert best([torch, openvino], AMX) == torch
    assert best([torch, openvino], NO_AMX) == openvino
    clearly_cheaper = trial("openvino", "bf16", 70)
    assert best([torch, clearly_cheaper], AMX) == clearly_cheaper


def test_an_archive_that_cannot_be_tried_follows_the_static_rule(
    archive: Archive, shown: Shown, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.executable", "/bin/false")
    shown.calibrate(archive)
    assert shown.lines == ["dummy 1.0.0 is not calibrated, and follows the static rule: the process ended"]
    assert shown.read(archive).chosen is None
