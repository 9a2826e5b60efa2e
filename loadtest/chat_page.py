"""How fast the chat page is, and whether 20 people can use it at once.

The command starts a page of its own, without a limit that is reached, in front of the running server. A browser opens
it and asks; then Gradio's client asks as many people at once.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import numpy as np
import typer
from gradio_client import Client as GradioClient
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import sync_playwright
from rich.table import Table
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.paths import RECIPES, ROOT, RUN, resolved
from vqaops.questions import Question, read_samples
from vqaops.server.management import Management
from vqaops.server.ports import free_ports
from vqaops.server.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PYTHON = ROOT / ".venv-demo" / "bin" / "python"
START_SECONDS = 90


def main(
    model: Annotated[str, typer.Argument(help="A recipe that the running server has loaded.")] = "shapes",
    visits: Annotated[int, typer.Option(min=1, help="Browsers that open the page, one after the other.")] = 10,
    people: Annotated[int, typer.Option(min=1, help="People who ask at once.")] = 20,
    questions: Annotated[int, typer.Option(min=1, help="Questions of each.")] = 10,
    run: Annotated[Path, typer.Option(help="Folder of the running server.")] = RUN,
) -> None:
    """Measure the chat page in front of the running server (make serve).

    Example: python -m loadtest.chat_page shapes --people 20
    """
    with one_line_errors("chat_page"):
        server, sample = Server(resolved(run)), read_samples(RECIPES / model)[0]
        # The page would ask the first model by name; its choices are NAME/VERSION.
        version = f"{model}/{Management(server.client).default(model)}"
        table = Table("", "median", "slowest")
        with own_page(server.run, "--per-minute", "1000000") as url:
            usable, shown = _browse(url, sample, visits)
            table.add_row(f"first paint to usable, {visits} visits", *_figures(usable))
            table.add_row(f"Enter to the answer on the page, {visits} questions", *_figures(shown))
            table.add_row("of it, the server's answer", *_figures(_direct(server, model, sample, visits)))
            latencies, failed = _at_once(url, version, sample, people, questions)
            table.add_row(f"an answer for {people} people at once", *_figures(latencies))
        console = new_console()
        console.print(table)
        console.print(f"{people * questions} questions of {people} people: {failed} failed")
        if failed:
            raise typer.Exit(1)


@contextmanager
def own_page(run: Path, *options: str, port: int | None = None) -> Iterator[str]:
    """Start a page in front of the server of a run folder; yield its address, and stop it with the block.

    Args:
        run: The server's run folder; the page's log is written there too.
        options: Further options of ``python -m demo``.
        port: The port; by default a free one.

    Raises:
        ServerError: The page's environment is missing, or the page does not start.
    """
    if not PYTHON.exists():
        raise ServerError(f"the page's environment {PYTHON.parent.parent} is missing; run: make .venv-demo/.ready")
    port = port or free_ports(1)[0]
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


@retry(
    retry=retry_if_exception_type(httpx.TransportError),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(START_SECONDS),
    reraise=True,
)
def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise ServerError(f"the page ended: {log.read_text().strip() or 'without a word'}")
    httpx.get(url, trust_env=False).raise_for_status()


def _browse(url: str, sample: Question, visits: int) -> tuple[list[float], list[float]]:
    """Seconds from the first paint until the page can be used, and from Enter until the answer is on the page."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        measured = [_visit(chromium, url, sample) for _ in range(visits + 1)][1:]  # the first is a warm-up
        chromium.close()
    return [usable for usable, _ in measured], [shown for _, shown in measured]


def _visit(browser: Browser, url: str, sample: Question) -> tuple[float, float]:
    page = browser.new_page()
    page.goto(url, wait_until="commit")
    page.locator("#box textarea:enabled").wait_for()
    # Usable: a question can be typed, and the model that will answer it is shown.
    page.wait_for_function("document.querySelector('#model input')?.value")
    usable = page.evaluate("performance.now() - performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.locator("#box input[type=file]").set_input_files(sample.image)
    page.locator("#box .thumbnail-item").wait_for()
    page.locator("#box textarea").fill(sample.title)
    page.evaluate(
        """() => {
            const log = document.querySelector("[role=log]");
            const look = () => document.querySelector(".vqa-best") && (window.shownAt ??= performance.now());
            new MutationObserver(look).observe(log, {childList: true, subtree: true});
            document.addEventListener("keydown", () => { window.pressedAt = performance.now(); }, true);
        }"""
    )
    page.locator("#box textarea").press("Enter")
    page.wait_for_function("window.shownAt")
    shown = page.evaluate("window.shownAt - window.pressedAt")
    page.close()
    return usable / 1000, shown / 1000


def _direct(server: Server, model: str, sample: Question, times: int) -> list[float]:
    picture = sample.read_image()

    def once() -> float:
        began = time.perf_counter()
        server.client.ask(model, picture, sample.form)
        return time.perf_counter() - began

    return [once() for _ in range(times)]


def _at_once(url: str, version: str, sample: Question, people: int, questions: int) -> tuple[list[float], int]:
    """Seconds of each answer, and how many questions got none."""

    def person(_: int) -> list[float | None]:
        client = GradioClient(url, verbose=False, analytics_enabled=False)
        picture = handle_file(sample.image)
        return [_ask(client, {"text": sample.title, "files": [picture]}, version) for _ in range(questions)]

    with ThreadPoolExecutor(people) as pool:
        asked = [one for answers in pool.map(person, range(people)) for one in answers]
    answered = [one for one in asked if one is not None]
    return answered, len(asked) - len(answered)


def _ask(client: GradioClient, message: dict[str, Any], version: str) -> float | None:
    began = time.perf_counter()
    try:
        _, history = client.predict(message=message, history=[], model=version, api_name="/chat")
    except (AppError, httpx.HTTPError):
        return None
    took = time.perf_counter() - began
    return took if "vqa-best" in history[-1]["content"][0]["value"] else None


def _figures(seconds: list[float]) -> tuple[str, str]:
    if not seconds:
        return "-", "-"
    return f"{1000 * np.median(seconds):.0f} ms", f"{1000 * max(seconds):.0f} ms"


if __name__ == "__main__":
    typer.run(main)
