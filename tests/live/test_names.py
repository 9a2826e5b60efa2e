"""Folders and files whose names hold what shells, properties, URLs and log patterns read as their own syntax."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.recipes import RecipeMaker
from tests.support.servers import BRIEF
from vqaops.paths import CONFIG, ROOT
from vqaops.server.ports import own_ports
from vqaops.server.properties import read_properties, write_properties
from vqaops.server.server import Server

NAMES = {
    "shell, markup and lists": "a, b;c [red]x[b] :smile: 'q' \"d\"",
    "properties, patterns and options": "-übung=C:\\neu é 50% %i ${sys:user.home} #1",
}


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder with a path short enough for unix sockets."""
    outer = Path(tempfile.mkdtemp(prefix="vqa-", dir="/tmp"))
    (outer / request.param).mkdir()
    yield outer / request.param
    Server(outer / request.param / "run").stop(at_once=True)
    shutil.rmtree(outer)


@pytest.mark.parametrize("folder", NAMES.values(), indirect=True, ids=NAMES.keys())
def test_a_recipe_a_store_and_a_run_folder_of_any_name_are_served_and_every_command_finds_them(
    folder: Path, make_recipe: RecipeMaker
):
    recipe = shutil.copytree(make_recipe(), folder / "dummy")
    sample = json.loads((recipe / "samples" / "questions.jsonl").read_text())
    odd = f"red {folder.name}.png".replace("/", " ")
    (recipe / "samples" / "red.png").rename(recipe / "samples" / odd)
    question = "@what <is> 'this'; type=x?"
    (recipe / "samples" / "questions.jsonl").write_text(json.dumps({**sample, "image": odd, "question": question}))
    config = folder / "config, 1.properties"
    write_properties(config, {**read_properties(CONFIG), **own_ports(), **BRIEF})
    options = ["--config", str(config), "--store", str(folder / "store"), "--run", str(folder / "run"), "--sockets"]
    command = [sys.executable, str(ROOT / "scripts" / "serve.py"), "start", str(recipe), *options]
    started = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, env={"LC_ALL": "C"})
    assert started.returncode == 0, started.stderr + (folder / "run" / "logs" / "console.log").read_text()
    curl = next(line for line in started.stdout.split("\n") if line.startswith("curl "))
    reply = subprocess.run(["bash", "-c", f"{curl} -s"], cwd=folder, capture_output=True, text=True)
    assert json.loads(reply.stdout)["answer"].endswith(question), reply.stdout
    assert (folder / "run" / "logs" / "server.log").exists()
    assert (folder / "run" / "logs" / "model.log").exists()
    assert {path.name for path in folder.iterdir()} == {"dummy", "store", "run", config.name}

    run = ["--run", str(folder / "run")]
    for script, *words in (("health.py", "dummy"), ("models.py", "list"), ("tokens.py", "list")):
        found = subprocess.run([sys.executable, str(ROOT / "scripts" / script), *words, *run], capture_output=True)
        assert found.returncode == 0, found.stderr
