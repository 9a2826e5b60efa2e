"""A recipe to the Hub and back, by the commands: the archive that is built from the copy answers as the original's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.archives import pack
from tests.support.pictures import encoded
from tests.support.published import QUESTION, tiny_recipe
from tests.support.writable_hubs import WRITER, WritableHub
from vqaops.building.worker import InProcessWorker
from vqaops.importing.hub import fetch
from vqaops.importing.sources import copy_recipe
from vqaops.paths import ROOT
from vqaops.publishing.hub import publish
from vqaops.publishing.model import model_publication
from vqaops.publishing.target import Target
from vqaserve.settings import ModelConfig

REPO = "somebody/Tiny-VQA"


@pytest.fixture
def command(writable_hub: WritableHub, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script with the hub, and with the token in the variable that its users set."""
    variables = {
        "HF_ENDPOINT": writable_hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_TOKEN": WRITER,
        "HF_HUB_DISABLE_XET": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}

    def run(script: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        given = [sys.executable, f"scripts/{script}.py", *map(str, arguments)]
        return subprocess.run(given, cwd=ROOT, env=inherited | variables | more, capture_output=True, text=True)

    return run


def test_what_was_published_loads_back_and_answers_the_same(
    command: Callable[..., subprocess.CompletedProcess[str]], writable_hub: WritableHub, tmp_path: Path
):
    recipe = tiny_recipe(tmp_path / "tiny")
    config = recipe / "model-config.yaml"
    config.write_text("# our settings\n" + config.read_text().replace("  device: cpu\n", ""))
    sent = command("publish", "model", recipe, "--repo", REPO, "--private")
    assert sent.returncode == 0, sent.stderr
    repository = writable_hub.repository(REPO)
    commit = repository.branches["main"][-1]
    assert f"{writable_hub.url}/{REPO} at {commit.oid}" in sent.stdout
    assert repository.private

    digest = writable_hub.store.keep(b"raise SystemExit('this must never run')")
    hostile = dict.fromkeys(["torch.py", "weights/vocab.pkl", "vqaserve/__init__.py", "samples/code.py"], digest)
    commit = repository.add("main", "more", {**commit.files, **hostile})
    copy, store = tmp_path / "copy", tmp_path / "store"
    built = command("build_mar", "-o", copy, "--store", store, MODEL_REPO_ID=REPO, DEVICE="cpu")
    assert built.returncode == 0, built.stderr
    assert reply(store / "copy-1.0.0.mar") == reply(pack(recipe, store).path)
    assert not {path.relative_to(copy).as_posix() for path in copy.rglob("*")} & hostile.keys()
    assert f"at commit `{commit.oid}`" in (copy / "README.md").read_text()
    assert ModelConfig.read(copy / "model-config.yaml").handler.device == "cpu"
    assert (copy / "model-config.yaml").read_text().startswith("# our settings\n")


def reply(archive: Path) -> list[dict[str, object]]:
    unpacked = archive.with_suffix("")
    with zipfile.ZipFile(archive) as mar:
        mar.extractall(unpacked)
    (answer,) = InProcessWorker.load(unpacked).predict([{"image": encoded("blue"), "question": QUESTION}])
    assert answer.status == 200
    return json.loads(answer.body)["answers"]


@pytest.mark.parametrize("kind", ["vilt", "clip_llm"])
def test_recipes_of_other_families_come_back_with_the_same_files(kind: str, writable_hub: WritableHub, tmp_path: Path):
    hub = {"endpoint": writable_hub.url, "token": WRITER}
    recipe = tiny_recipe(tmp_path / "tiny", kind)
    publication = model_publication(recipe)
    assert not publication.left_out
    publish(publication, Target(REPO, "Publish"), **hub)
    found = fetch(REPO, None, pickled=False, console=Console(file=StringIO()), cache=tmp_path / "cache", **hub)
    copy_recipe(found, tmp_path / "copy")
    copied = {name: (tmp_path / "copy" / name).read_bytes() for name in publication.files}
    assert copied.pop("README.md").startswith((recipe / "README.md").read_bytes())
    assert copied == {name: (recipe / name).read_bytes() for name in copied}


@pytest.mark.parametrize(("device", "message"), [("tpu", "--device is 'tpu'; it takes auto, cpu or cuda")])
def test_a_wrong_device_is_one_line_and_leaves_nothing_behind(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, device: str, message: str
):
    built = command("build_mar", "--from-hub", REPO, "-o", tmp_path / "copy", DEVICE=device)
    assert (built.returncode, built.stderr.count("\n")) == (1, 1)
    assert message in built.stderr
    assert not (tmp_path / "copy").exists()
