"""Archives are built, and loaded by TorchServe's own loader."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from scripts import build_mar
from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from vqaops.building.build import archive_of, build
from vqaops.store import checksums
from vqaops.store.archive import Archive
from vqaserve.errors import RecipeError
from vqaserve.layout import Room


@pytest.fixture(scope="module")
def recipe(make_recipe: RecipeMaker) -> Path:
    return make_recipe()


def test_an_archive_holds_the_handler_the_recipe_and_its_version(recipe: Path, tmp_path: Path):
    archive = build(recipe, tmp_path)
    assert archive.path == tmp_path / "dummy-1.0.0.mar"
    with zipfile.ZipFile(archive.path) as mar:
        names = set(mar.namelist())
        model = json.loads(mar.read("MAR-INF/MANIFEST.json"))["model"]
    assert {"vqa_handler.py", "vqaserve/pipeline.py", "model-config.yaml", "samples/questions.jsonl"} <= names
    assert not [name for name in names if "__pycache__" in name]
    assert (model["modelName"], model["modelVersion"]) == ("dummy", "1.0.0")
    assert {path.name for path in tmp_path.iterdir()} == {"dummy-1.0.0.mar", "SHA256SUMS"}


def test_an_archive_holds_numbers_where_its_recipe_says_auto(make_recipe: RecipeMaker, tmp_path: Path):
    recipe = make_recipe(handler="  threads: auto  # cores by workers\n")
    config = recipe / "model-config.yaml"
    config.write_text(re.sub(r"Workers: 1", "Workers: auto", config.read_text()))
    with zipfile.ZipFile(pack(recipe, tmp_path).path) as mar:
        text = mar.read("model-config.yaml").decode()
    expected = Room.here().layout()
    assert yaml.safe_load(text) == {
        **yaml.safe_load(config.read_text()),
        "minWorkers": expected.workers,
        "maxWorkers": expected.workers,
        "handler": {"version": "1.0.0", "family": "dummy", "threads": expected.threads},
        "auto": ["workers", "threads"],
    }
    assert "# cores by workers" in text


def test_the_unpacked_archive_answers_with_nothing_but_its_own_code(recipe: Path, tmp_path: Path):
    with zipfile.ZipFile(pack(recipe, tmp_path).path) as mar:
        mar.extractall(tmp_path / "unpacked")
    script = "import vqaserve, vqaops.building.worker as w; print(vqaserve.__file__); w.main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path / "unpacked",
        env={"PYTHONPATH": str(tmp_path / "unpacked")},
        capture_output=True,
        text=True,
        check=True,
    )
    where, reply = done.stdout.splitlines()
    assert where.startswith(str(tmp_path / "unpacked"))
    assert json.loads(reply)["answer"] == "4x3 #ff0000: what?"


@pytest.mark.parametrize(
    ("config", "handler", "message"),
    [
        ("bachSize: 3\n", "", "unknown key 'bachSize'"),
        ("", "  precison: fp32\n", "unknown key 'handler.precison'"),
        ("", "  task: captioning\n", "task 'captioning' does not exist"),
        ("", "  limits: {max_question_chars: 2}\n", "the question has 5 characters; at most 2"),
    ],
)
def test_a_recipe_that_cannot_be_served_is_refused_and_leaves_nothing(
    make_recipe: RecipeMaker, tmp_path: Path, config: str, handler: str, message: str
):
    with pytest.raises(RecipeError, match=message):
        build(make_recipe(config=config, handler=handler), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["README.md", "samples/questions.jsonl", "model-config.yaml"])
def test_a_missing_file_is_named(make_recipe: RecipeMaker, tmp_path: Path, missing: str):
    recipe = make_recipe()
    (recipe / missing).unlink()
    with pytest.raises(RecipeError, match=f"{missing} is missing"):
        build(recipe, tmp_path)


def test_a_recipe_cannot_replace_the_handlers_own_files(make_recipe: RecipeMaker, tmp_path: Path):
    recipe = make_recipe()
    (recipe / "vqaserve").mkdir()
    with pytest.raises(RecipeError, match="holds vqaserve, a name of the handler's"):
        build(recipe, tmp_path)


@pytest.mark.usefixtures("untried")
def test_a_version_that_is_in_the_store_is_not_replaced_unless_asked(make_recipe: RecipeMaker, tmp_path: Path):
    recipe = make_recipe()
    app = build_mar.typer.Typer()
    app.command()(build_mar.main)
    built = pack(recipe, tmp_path).sha256
    command = ["--store", str(tmp_path), str(recipe)]
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0, again.output
    (recipe / "README.md").write_text("another card")
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1
    assert "give the new one a higher" in refused.output
    assert archive_of(recipe, tmp_path).sha256 == built
    replaced = CliRunner().invoke(app, ["--replace", *command])
    assert replaced.exit_code == 0, replaced.output
    assert archive_of(recipe, tmp_path).sha256 != built


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_half_written_archive_is_refused_with_what_to_do(recipe: Path, tmp_path: Path, keep: float):
    archive = pack(recipe, tmp_path)
    data = archive.path.read_bytes()
    archive.path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(RecipeError, match=r"is not a complete archive .*delete it and build it again"):
        archive.check()


def test_an_archive_under_a_wrong_name_is_refused(recipe: Path, tmp_path: Path):
    archive = pack(recipe, tmp_path)
    wrong = Archive(archive.path, "rooms", "1.0.0")
    with pytest.raises(RecipeError, match=r"holds dummy 1\.0\.0"):
        wrong.check()


def test_the_command_prints_path_version_size_and_sha256(recipe: Path, tmp_path: Path):
    app = build_mar.typer.Typer()
    app.command()(build_mar.main)
    done = CliRunner().invoke(app, [str(recipe), "--store", str(tmp_path)])
    archive = Archive(tmp_path / "dummy-1.0.0.mar", "dummy", "1.0.0")
    assert done.exit_code == 0
    assert archive.sha256 in done.output.replace("\n", "")


@pytest.mark.usefixtures("untried")
@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing: apt-get install openssh-client")
def test_the_command_signs_the_list_of_archives(recipe: Path, tmp_path: Path):
    app = build_mar.typer.Typer()
    app.command()(build_mar.main)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "signers").write_text(f"builder {key.with_suffix('.pub').read_text()}")
    done = CliRunner().invoke(app, [str(recipe), "--store", str(tmp_path / "store"), "--sign", str(key)])
    assert done.exit_code == 0, done.output
    checksums.check(tmp_path / "store" / "dummy-1.0.0.mar", tmp_path / "signers")


def test_the_command_refuses_in_one_line_with_a_non_zero_exit(make_recipe: RecipeMaker, tmp_path: Path):
    app = build_mar.typer.Typer()
    app.command()(build_mar.main)
    done = CliRunner().invoke(app, [str(make_recipe(family="modularr")), "--store", str(tmp_path)])
    assert done.exit_code == 1
    assert "family 'modularr' does not exist" in done.output
    assert len(done.output.strip().splitlines()) == 1
