"""One server and one page for all tests of the page, and pages of the browser that must not complain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.chat_pages import chat_page
from vqaops.paths import RECIPES, ROOT
from vqaops.server.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Request, Response

SAMPLES = RECIPES / "shapes" / "samples"
SCREENSHOTS = ROOT / "run" / "screenshots"
PATIENCE = 30_000
"""Milliseconds until which something must be on the page; two busy cores are slow."""


@pytest.fixture(scope="session")
def shapes_server(serve_for_session: Callable[..., Server]) -> Server:
    """A server with ``shapes``, which the tests leave as it was."""
    return serve_for_session(RECIPES / "shapes")


@pytest.fixture(scope="session")
def page_url(shapes_server: Server) -> Iterator[str]:
    """The address of a page whose limit of questions is not reached."""
    with chat_page(shapes_server.run, "--per-minute", "1000") as url:
        yield url


@dataclass
class Visit:
    """A person's browser on the page.

    Attributes:
        page: The browser's page.
        complaints: Errors on the browser's console.
        requests: What the browser asked for.
        replies: What it got.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    replies: list[Response] = field(default_factory=list)

    @property
    def box(self) -> Locator:
        """Where questions are typed."""
        return self.page.locator("#box textarea")

    @property
    def answers(self) -> Locator:
        """The best answers, oldest first."""
        return self.page.locator(".vqa-best strong")

    def await_examples(self, model: str) -> None:
        """Wait until the examples of a model have their pictures, which Gradio adds last when the page opens."""
        self.page.locator(f"#examples-{model} .gallery-item").last.locator("img").wait_for()

    def add(self, *pictures: Path) -> None:
        """Choose pictures, and wait until they have been uploaded."""
        self.page.locator("#box input[type=file]").set_input_files(pictures)
        self.page.locator("#box .thumbnail-item").first.wait_for()

    def ask(self, text: str, picture: Path | None = None) -> None:
        """Type questions and press Enter; does not wait for answers."""
        if picture:
            self.add(picture)
        self.box.fill(text)
        self.box.press("Enter")

    def await_answers(self, *wanted: str) -> None:
        """Wait until the best answers of the conversation are these."""
        from playwright.sync_api import expect

        expect(self.answers).to_have_text(list(wanted), timeout=PATIENCE)

    def screenshot(self, name: str) -> None:
        """Leave a picture of the page for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens an address in a browser of its own; takes the options of ``Browser.new_context``.

    The test fails if the browser's console shows an error, unless the test empties ``complaints``.
    """
    visits: list[Visit] = []

    def open_page(url: str, **options: object) -> Visit:
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(PATIENCE)
        opened = Visit(page)
        visits.append(opened)
        page.on("console", lambda one: opened.complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("request", lambda one: opened.requests.append(one))
        page.on("response", lambda one: opened.replies.append(one))
        page.goto(url)
        opened.box.wait_for()
        return opened

    yield open_page
    for one in visits:
        one.page.context.close()
    assert [one.complaints for one in visits] == [[] for _ in visits]
