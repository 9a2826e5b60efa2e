"""The API documentation at /docs, in a real browser: requests are sent from it with a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.gateways import RunningGateway, check_error
from tests.support.pictures import encoded
from tests.support.swagger import answer, authorize, opened
from vqaops import api_docs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(not api_docs.files(), reason="flask-swagger-ui is not installed: make install")


@pytest.fixture
def anonymous(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        del client.headers["Authorization"]
        yield client


def test_the_document_is_the_committed_one_and_needs_no_key(anonymous: httpx.Client):
    reply = anonymous.get("/docs/openapi.json")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == json.loads(api_docs.DOCUMENT.read_text())


def test_the_address_without_a_slash_leads_to_the_page(anonymous: httpx.Client):
    reply = anonymous.get("/docs")
    assert (reply.status_code, reply.headers["location"]) == (308, "/docs/")
    page = anonymous.get("/docs/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/docs/index.html", "/docs/../models", "/docs/LICENSE", "/docs/x/start.js", "/docsx"])
def test_nothing_else_is_below_it(anonymous: httpx.Client, path: str):
    check_error(anonymous.get(path), 404)


def test_other_methods_are_refused(anonymous: httpx.Client):
    check_error(anonymous.post("/docs/openapi.json"), 405)


@pytest.fixture
def page(browser: Browser, gateway: RunningGateway) -> Iterator[Page]:
    """The page, which must log no error and ask no other host."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("request", lambda request: request.url.startswith((gateway.url, "data:")) or faults.append(request.url))
    page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{gateway.url}/docs", wait_until="networkidle")
    yield page
    context.close()
    assert not faults


def test_a_form_is_sent_from_the_page_with_a_key(page: Page, gateway: RunningGateway, tmp_path: Path):
    authorize(page, gateway.key)
    operation = opened(page, "ask")
    operation.get_by_placeholder("model").fill("dummy")
    operation.get_by_label("Request content type").select_option("multipart/form-data")
    picture = tmp_path / "red.png"
    picture.write_bytes(encoded())
    operation.locator("input[type=file]").set_input_files(picture)
    operation.locator("tr[data-property-name=question] input[type=text]").fill("what?")
    assert answer(operation)["answer"] == "4x3 #ff0000: what?"


def test_the_example_is_answered_as_it_stands(page: Page, gateway: RunningGateway):
    authorize(page, gateway.key)
    operation = opened(page, "kserve_v1")
    operation.get_by_placeholder("model").fill("dummy")
    (prediction,) = answer(operation)["predictions"]
    assert prediction["answer"].startswith("64x64 ")


def test_addresses_of_the_gateway_alone_are_there_too(page: Page, gateway: RunningGateway):
    authorize(page, gateway.key)
    assert answer(opened(page, "models", tag="gateway"))["models"] == ["dummy"]
    operation = opened(page, "chat_by_name", tag="gateway")
    body = operation.locator("textarea.body-param__text")
    body.fill(body.input_value().replace('"shapes"', '"dummy"'))
    (choice,) = answer(operation)["choices"]
    assert choice["message"]["content"].startswith("64x64 ")
