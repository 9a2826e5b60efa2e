"""A Space without a container: its files in a fresh folder, with environments that borrow the installed packages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from vqaops.paths import ROOT
from vqaops.server.ports import own_ports

PAGE_PYTHON = ROOT / ".venv-demo" / "bin" / "python"
ANSWER = """
import json, sys
from gradio_client import Client, handle_file
url, picture, question = sys.argv[1:]
message = {"text": question, "files": [handle_file(picture)]}
print(json.dumps(Client(url, verbose=False).predict(message, [], None, api_name="/chat")[1]))
"""


def unpack(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write a Space's files, and what its Dockerfile installs: the two environments."""
    if not PAGE_PYTHON.exists():
        pytest.skip("the page's environment is missing: make demo")
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    _environment(folder, ".venv", Path(sys.executable))
    _environment(folder, ".venv-demo", PAGE_PYTHON)
    # Other servers run on this machine: everything that is not on a socket gets a port of its own.
    config = folder / "config.properties"
    text = config.read_text()
    for name, value in own_ports().items():
        text = re.sub(rf"^{name}=.*", f"{name}={value}", text, flags=re.MULTILINE)
    config.write_text(text)
    return folder


def start_command(folder: Path) -> list[str]:
    """The Dockerfile's start command."""
    return json.loads(re.findall(r"^CMD (\[.*\])$", (folder / "Dockerfile").read_text(), re.MULTILINE)[-1])


def conversation(url: str, picture: Path, question: str) -> str:
    """Ask the page as a Gradio client does; the conversation as text."""
    command = [str(PAGE_PYTHON), "-c", ANSWER, url, str(picture), question]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def _environment(folder: Path, name: str, python: Path) -> None:
    """An environment with the packages of another one, and the Space's own code."""
    subprocess.run([str(python), "-m", "venv", "--without-pip", name], cwd=folder, check=True)
    asked = [str(python), "-c", "import sys; print('\\n'.join(path for path in sys.path if 'site-packages' in path))"]
    packages = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    (site,) = (folder / name / "lib").glob("python3*/site-packages")
    (site / "a_space.pth").write_text(f"{folder / 'handler'}\n{folder}\n")
    (site / "b_packages.pth").write_text(packages)
