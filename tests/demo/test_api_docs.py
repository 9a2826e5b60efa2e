"""The API documentation of the page: its requests reach the gateway with a key."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from loadtest.chat_page import PYTHON
from tests.support.chat_pages import chat_page
from tests.support.gateways import RunningGateway
from tests.support.swagger import answer, authorize, opened
from vqaops.server.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module", autouse=True)
def swagger_ui() -> None:
    has = "import sys; from vqaops.api_docs import files; sys.exit(not files())"
    if not PYTHON.exists() or subprocess.run([str(PYTHON), "-c", has]).returncode:
        pytest.skip("the page's environment has no Swagger UI: make demo")


def test_a_request_from_the_page_is_answered_through_the_gateway(
    torchserve: Server, new_outer_gateway: Callable[..., RunningGateway], browser: Browser
):
    gateway = new_outer_gateway(cors_allowed_origins=["*"])
    with chat_page(torchserve.run, "--gateway", gateway.url) as url:
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        faults: list[str] = []
        page.on("request", lambda sent: sent.url.startswith((url, gateway.url, "data:")) or faults.append(sent.url))
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.goto(f"{url}/docs", wait_until="networkidle")
        page.get_by_text(f"They are sent to the gateway at {gateway.url}").wait_for()
        authorize(page, gateway.key)
        operation = opened(page, "kserve_v1")
        operation.get_by_placeholder("model").fill("dummy")
        (prediction,) = answer(operation)["predictions"]
        context.close()
        assert prediction["answer"].startswith("64x64 ")
        assert not faults


def test_the_documentation_is_the_gateways_with_another_server(torchserve: Server):
    with chat_page(torchserve.run, "--gateway", "https://vqa.example.org/") as url:
        redirect = httpx.get(f"{url}/docs", trust_env=False)
        page = httpx.get(f"{url}/docs/", trust_env=False)
        document = httpx.get(f"{url}/docs/openapi.json", trust_env=False).json()
    assert (redirect.status_code, redirect.headers["location"]) == (308, "docs/")
    assert "connect-src 'self' https://vqa.example.org;" in page.headers["content-security-policy"]
    assert document["servers"] == [{"url": "https://vqa.example.org", "description": "The gateway"}]
