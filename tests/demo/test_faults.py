"""The server goes away and comes back while a person is on the page."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from loadtest.chat_page import PYTHON
from tests.demo.conftest import PATIENCE, SAMPLES, Visit
from tests.support.archives import pack
from tests.support.chat_pages import chat_page
from vqaops.paths import RECIPES, ROOT
from vqaops.server.server import Server

CIRCLE = SAMPLES / "blue-circle.jpg"


def test_a_page_says_that_the_server_is_down_and_answers_when_it_is_back_without_a_reload(
    visit: Callable[..., Visit], new_server: Callable[..., Server], tmp_path: Path
):
    server = new_server()
    archive = pack(RECIPES / "shapes", tmp_path)
    server.start([archive])
    server.wait_until_ready([archive], 120)
    with chat_page(server.run) as url:
        person = visit(url)
        person.ask("what shape is in the image?", CIRCLE)
        person.await_answers("circle")
        old = server.client.token("inference")
        server.stop(at_once=True)
        problems = person.page.locator(".vqa-problem").filter(has_text="The server does not answer at the moment")
        person.page.get_by_role("button", name="Why?").click()
        problems.nth(0).wait_for(timeout=2 * PATIENCE)
        person.ask("what color is the shape?")
        problems.nth(1).wait_for(timeout=2 * PATIENCE)
        person.screenshot("server-down")
        server.start([archive])
        server.wait_until_ready([archive], 120)
        assert server.client.token("inference") != old
        person.ask("what color is the shape?")
        person.await_answers("circle", "blue")
        person.page.close()  # before the page's process ends, which cuts its connections


def test_the_page_goes_on_when_its_token_is_renewed_by_somebody_else(
    visit: Callable[..., Visit], page_url: str, shapes_server: Server
):
    person = visit(page_url)
    person.ask("what shape is in the image?", CIRCLE)
    person.await_answers("circle")
    old = shapes_server.client.token("inference")
    assert shapes_server.client.renew_token("inference", old) != old
    person.ask("what color is the shape?")
    person.await_answers("circle", "blue")


def test_a_second_page_on_a_taken_port_says_so_and_make_stop_still_ends_the_first(page_url: str, shapes_server: Server):
    record = shapes_server.run / "page.json"
    before, port = record.read_bytes(), page_url.rpartition(":")[2]
    second = subprocess.run(
        [PYTHON, "-m", "demo", "--run", shapes_server.run, "--port", port], cwd=ROOT, capture_output=True, text=True
    )
    assert second.returncode == 1
    assert f"the page cannot listen on 127.0.0.1:{port}" in " ".join(second.stderr.split())
    assert record.read_bytes() == before
