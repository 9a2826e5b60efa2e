"""The pages under "Moving over": their commands are run in a copy of the checkout, with tiny models."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

from tests.support.classes import make_classes
from tests.support.hubs import Hub
from tests.support.pictures import encoded
from tests.support.redacted_pages import write_pdf
from tests.support.servers import BRIEF
from tests.tiny import make_weights
from vqaops.paths import ROOT
from vqaops.server.ports import own_ports
from vqaops.server.server import Server
from vqaserve.families.torchvision_classifier.architectures import Classifier

PAGES = ROOT / "docs" / "how-to" / "move-over"
PAGE_NAMES = ("clip-labels.md", "picture-classifier.md", "redaction-detector.md")
COPIED = ("scripts", "vqaops", "handler", "deploy", "recipes/redactions")
CLIP = "openai/clip-vit-base-patch32"
START = "scripts/serve.py start "
SECONDS = 300
NOT_RUN = ("pip install", "loadtest.")
"""What installs, and what measures for minutes."""
REPLIES = {"redactions.py": "1 of 1 pages are redacted", "read_pages": "1 of 1 pages [1]", "curl": '"label":'}
"""What a command prints, by a part of it; the others print percentages."""


def commands(page: str) -> list[str]:
    """The lines behind a prompt of a page's ``console`` blocks, and its Python programs, without ``NOT_RUN``."""
    document = Document((PAGES / page).read_text(encoding="utf-8"), page)
    found = [block for language in ("console", "py") for block in CodeBlockParser(language)(document)]
    texts = [block.parsed for block in sorted(found, key=lambda block: block.start)]
    lines = [
        line
        for text in texts
        for line in (
            text.replace("\\\n", "").split("\n") if text.startswith("$ ") else [f"$ python - <<'END'\n{text}END"]
        )
    ]
    return [
        line.removeprefix("$ ") for line in lines if line.startswith("$ ") and not any(one in line for one in NOT_RUN)
    ]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with ports of its own, with one recipe, and with the files that the pages start from."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "model_store").mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    own = {**own_ports(), **BRIEF}
    lines = (ROOT / "config.properties").read_text().split("\n")
    kept = [line for line in lines if line.partition("=")[0] not in own]
    (folder / "config.properties").write_text("\n".join([*kept, *(f"{name}={value}" for name, value in own.items())]))
    for name in ("photo.jpg", "pizza.jpg"):
        (folder / name).write_bytes(encoded("blue", (64, 48), "JPEG"))
    letter = ROOT / "recipes" / "redactions" / "samples" / "letter-redacted.png"
    write_pdf(folder / "document.pdf", [Image.open(letter).convert("L")])
    make_classes(folder / "pizza_steak_sushi", {"pizza": "orange", "steak": "brown", "sushi": "white"}, each=5)
    make_weights("vit", folder / "path" / "to" / "snacks")
    state = Classifier("efficientnet_b2", 3).state_dict()
    names = {name: name.removeprefix("backbone.").replace("head.", "classifier.1.") for name in state}
    torch.save({names[name]: tensor for name, tensor in state.items()}, folder / "effnetb2.pth")
    yield folder
    server = Server(folder / "run", folder / "config.properties")
    server.stop(at_once=True)
    server.client.http.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a hub with a tiny CLIP."""
    folder = tmp_path_factory.mktemp("hub")
    make_weights("clip", folder)
    with Hub.of_folder(CLIP, folder).running() as running:
        yield running.url


def test_the_commands_of_the_pages_work(checkout: Path, hub: str):
    """What makes recipes is run first, so that one start of the server serves them all."""
    inference = Server(checkout / "run", checkout / "config.properties").properties["inference_address"]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{checkout}:{checkout / 'handler'}",
        "HF_ENDPOINT": hub,
        "HF_HOME": str(checkout / "hub"),
    }

    def run(command: str) -> str:
        line = command.replace("http://127.0.0.1:8080", inference)
        shell = ["bash", "-euo", "pipefail", "-c", line]
        done = subprocess.run(shell, cwd=checkout, env=environment, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    found = [command for page in PAGE_NAMES for command in commands(page)]
    starts = [command.partition(START)[2] for command in found if START in command]
    asking = [
        command
        for command in found
        if command.startswith(("curl", "python")) or "ask.py" in command or "redactions.py" in command
    ]
    assert len(starts) == 3
    assert len(asking) == 11
    for command in found:
        if START not in command and command not in asking:
            run(command)
    run(f".venv/bin/python {START}{' '.join(starts)} --no-calibration")
    for command in asking:
        expected = next((reply for part, reply in REPLIES.items() if part in command), "%")
        assert expected in run(command), command
    assert (checkout / "found.pdf").read_bytes().startswith(b"%PDF")
