"""The chat page as its own process, in the page's own environment, in front of a real server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from vqaops.paths import ROOT
from vqaops.server.ports import free_ports

PYTHON = ROOT / ".venv-demo" / "bin" / "python"
START_SECONDS = 90


@contextmanager
def chat_page(run: Path, *options: str) -> Iterator[str]:
    """Start the page in front of the server of a run folder; yield its address, and stop it with the block.

    Args:
        run: The server's run folder; the page's own log is written there too.
        options: Further options of ``python -m demo``.
    """
    if not PYTHON.exists():
        pytest.skip("the page's environment is missing; make test creates it")
    port = free_ports(1)[0]
    run.mkdir(parents=True, exist_ok=True)
    log = run / f"page-{port}.log"
    with log.open("wb") as output:
        command = [str(PYTHON), "-m", "demo", "--run", str(run), "--port", str(port), *options]
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@retry(retry=retry_if_exception_type(httpx.TransportError), wait=wait_fixed(0.1), stop=stop_after_delay(START_SECONDS))
def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    assert process.poll() is None, f"the page ended:\n{log.read_text()}"
    httpx.get(url, trust_env=False).raise_for_status()
