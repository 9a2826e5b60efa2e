"""Swagger UI as people use it: give a key, open an address, execute a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SECONDS = 20_000  # ms, as Playwright counts


def authorize(page: Page, key: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".dialog-ux")
    dialog.locator("input").fill(key)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").last.click()


def opened(page: Page, operation: str, tag: str = "questions") -> Locator:
    block = page.locator(f"#operations-{tag}-{operation}")
    block.locator(".opblock-summary-control").click()
    return block


def answer(operation: Locator) -> dict[str, object]:
    operation.get_by_role("button", name="Execute").click()
    response = operation.locator(".live-responses-table tr.response")
    response.wait_for(timeout=SECONDS)
    assert response.locator(".response-col_status").inner_text().split()[0] == "200", response.inner_text()
    return json.loads(response.locator(".highlight-code code").first.inner_text())
