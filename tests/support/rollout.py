"""A server of the weightless model, further versions of it with changed code, and steady traffic that is checked."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.archives import pack
from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from tests.support.waiting import until
from vqaops.paths import ROOT
from vqaops.server.management import Management, RegisteredVersion
from vqaops.server.server import Server
from vqaops.store import checksums
from vqaops.store.archive import Archive

QUICK = "responseTimeout: 3\n"
"""A drain waits this long; the default suits models that answer slowly."""
LENIENT = "  gate:\n    max_latency_ratio: 20\n"
"""For tests of other gates: latencies of milliseconds vary on a busy machine."""


@dataclass(frozen=True)
class ModelsCommand:
    """``scripts/models.py`` on one server, and archives for it."""

    server: Server
    make_recipe: RecipeMaker
    folder: Path

    def __call__(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "scripts" / "models.py"), *map(str, words), "--run", str(self.server.run)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    def json(self, *words: str | Path) -> dict[str, Any]:
        done = self(*words, "--json")
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    def default(self) -> str:
        return Management(self.server.client).default("dummy")

    def versions(self) -> list[str]:
        return [row["version"] for row in self.json("list")["versions"]]

    def ready(self) -> dict[str, int]:
        """The number of ready workers of each version, once all workers are ready."""
        found: list[RegisteredVersion] = []

        def all_ready() -> bool:
            found[:] = Management(self.server.client).versions("dummy")
            return all(version.ready == len(version.workers) for version in found)

        until(all_ready, "all workers are ready", 120)
        return {version.version: version.ready for version in found}

    def history(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.server.history_file.read_text().split("\n")[:-1]]

    def archive(
        self, version: str, changes: dict[str, str] | None = None, handler: str = LENIENT, config: str = QUICK
    ) -> Path:
        """Build an archive of the model ``dummy`` in its own folder, with changes to the family's code."""
        archive = pack(versioned(self.make_recipe, version, handler, config), self.folder / f"built-{version}")
        if changes:
            rewrite(archive, "vqaserve/families/dummy.py", changes)
        return archive.path


def versioned(make_recipe: RecipeMaker, version: str, handler: str = LENIENT, config: str = QUICK) -> Path:
    recipe = make_recipe(config=config, handler=handler)
    written = recipe / "model-config.yaml"
    written.write_text(written.read_text().replace("1.0.0", version))
    return recipe


def rewrite(archive: Archive, member: str, changes: dict[str, str]) -> None:
    with zipfile.ZipFile(archive.path) as mar:
        members = {name: mar.read(name) for name in mar.namelist()}
    text = members[member].decode()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    members[member] = text.encode()
    with zipfile.ZipFile(archive.path, "w") as mar:
        for name, content in members.items():
            mar.writestr(name, content)
    checksums.record(archive.path)


@pytest.fixture
def models(serve_for_test: Callable[..., Server], make_recipe: RecipeMaker, tmp_path: Path) -> ModelsCommand:
    """A server of its own."""
    return ModelsCommand(serve_for_test(versioned(make_recipe, "1.0.0")), make_recipe, tmp_path)


@pytest.fixture(scope="module")
def shared_models(
    serve: Callable[..., Server], make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelsCommand]:
    """A server shared by the tests of a file; each leaves it serving 1.0.0 alone, and takes other version numbers."""
    server = serve(versioned(make_recipe, "1.0.0"))
    yield ModelsCommand(server, make_recipe, tmp_path_factory.mktemp("archives"))
    server.stop(at_once=True)


@dataclass
class SteadyTraffic:
    """Connections that ask without pause or retries, and check every answer."""

    server: Server
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, connections: int, path: str = "", pause: float = 0) -> None:
        for number in range(connections):
            thread = threading.Thread(target=self._ask, args=(number, path, pause), daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request hangs"

    def wait_for(self, version: str) -> None:
        """Wait until a version has answered."""
        deadline = time.monotonic() + 60
        while not self.answered[version]:
            assert time.monotonic() < deadline, f"{version} has not answered"
            time.sleep(0.05)

    def _ask(self, number: int, path: str, pause: float) -> None:
        client = self.server.client
        header = client.header("inference")
        url = f"{client.addresses.inference}/predictions/dummy{path}"
        with httpx.Client(timeout=30, trust_env=False) as http:
            for asked in count():
                if self._ending.wait(pause):
                    return
                question = f"{number}-{asked}?"
                began = time.monotonic()
                try:
                    reply = http.post(url, headers=header, data={"question": question}, files={"image": encoded("red")})
                    answer = reply.json()
                except (httpx.HTTPError, ValueError) as error:
                    self.wrong.append(repr(error))
                    continue
                self.slowest = max(self.slowest, time.monotonic() - began)
                if reply.status_code != 200 or not answer["answer"].endswith(f"#ff0000: {question}"):
                    self.wrong.append(f"{reply.status_code} {reply.text}")
                else:
                    self.answered[answer["model"]["version"]] += 1


@contextmanager
def asking(server: Server, connections: int, path: str = "", pause: float = 0) -> Iterator[SteadyTraffic]:
    """Steady traffic until the block ends."""
    made = SteadyTraffic(server)
    made.start(connections, path, pause)
    try:
        yield made
    finally:
        made.end()
