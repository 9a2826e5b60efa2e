"""axe-core finds nothing on the page, in any of the states that a person sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.demo.conftest import SAMPLES, Visit

CIRCLE = SAMPLES / "blue-circle.jpg"
DESK = {"viewport": {"width": 1280, "height": 850}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def violations(person: Visit, *without: str) -> str:
    """What axe-core reports, in its own words; empty if nothing. ``without`` names rules that Gradio breaks."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(person.page, options={"rules": {rule: {"enabled": False} for rule in without}})
    return found.generate_report() if found.violations_count else ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_no_violation(visit: Callable[..., Visit], page_url: str, device: dict, scheme: str):
    person = visit(page_url, **device, color_scheme=scheme)
    person.await_examples("shapes")
    assert not violations(person)
    person.ask("what shape is in the image?\nwhat color is the shape?", CIRCLE)
    person.await_answers("circle", "blue")
    person.page.locator("#box .thumbnail-item").wait_for(state="detached")
    assert not violations(person)
    person.page.locator("#camera-part button").first.click()
    person.page.locator("#card-part button").first.click()
    person.page.locator("#card h2, #card h3").first.wait_for()
    assert not violations(person)


def test_answers_are_announced_and_the_parts_have_names(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.ask("what shape is in the image?", CIRCLE)
    person.await_answers("circle")
    live = person.page.get_by_role("log")
    assert live.get_attribute("aria-live") == "polite"
    assert "circle" in live.inner_text()
    labels = live.locator("[aria-label]").evaluate_all("found => found.map(one => one.ariaLabel)")
    assert "user's message: what shape is in the image?" in labels
    assert not [label for label in labels if "<" in label]
    for role, name in (
        ("textbox", "Ask about the picture"),
        ("button", "Upload a file"),
        ("button", "Submit"),
        ("button", "New conversation"),
        ("combobox", "Model"),
    ):
        assert person.page.get_by_role(role, name=name).count() == 1, name
