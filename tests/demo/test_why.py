"""A person asks why, and sees what the answer rests on."""

from __future__ import annotations

from collections.abc import Callable

from tests.demo.conftest import PATIENCE, SAMPLES, Visit
from tests.demo.test_accessibility import DESK, violations
from tests.support.chat_pages import chat_page
from vqaops.server.server import Server

CIRCLE = SAMPLES / "blue-circle.jpg"


def test_why_shows_the_picture_with_what_each_answer_rests_on(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url, **DESK)
    person.ask("what shape is in the image?\nwhat color is the shape?", CIRCLE)
    person.await_answers("circle", "blue")
    buttons = person.page.get_by_role("button", name="Why is answer")
    buttons.filter(has_text="Why is answer 2 “blue”?").click()
    maps = person.page.locator(".vqa-why")
    maps.first.get_by_text("Words that count").wait_for()
    assert "The answer blue rests most on the" in maps.first.inner_text()
    assert "color" in maps.first.locator("q").all_inner_texts()
    drawn = maps.first.get_by_role("img", name="what the answer rests on is coloured")
    drawn.evaluate("image => image.decode()")
    assert drawn.evaluate("image => image.naturalWidth") > 0
    assert [one.strip() for one in buttons.all_inner_texts()] == ["Why is answer 1 “circle”?"]
    assert not violations(person)
    person.screenshot("why")
    buttons.click()
    maps.nth(1).get_by_text("The answer circle rests most on the").wait_for()
    assert buttons.count() == 0


def test_a_question_is_answered_while_the_page_explains(visit: Callable[..., Visit], page_url: str):
    from playwright.sync_api import expect

    person = visit(page_url)
    person.ask("what shape is in the image?", CIRCLE)
    person.await_answers("circle")
    person.page.get_by_role("button", name="Why?").click()
    person.ask("what color is the shape?")
    person.await_answers("circle", "blue")
    expect(person.page.locator(".vqa-working")).to_have_count(0, timeout=PATIENCE)


def test_an_explanation_counts_as_a_question(visit: Callable[..., Visit], shapes_server: Server):
    with chat_page(shapes_server.run, "--per-minute", "1") as url:
        person = visit(url)
        person.ask("what shape is in the image?", CIRCLE)
        person.await_answers("circle")
        person.page.get_by_role("button", name="Why?").click()
        person.page.locator(".vqa-problem").get_by_text("You can ask 1 question a minute").wait_for(timeout=PATIENCE)
        assert person.page.get_by_role("button", name="Why?").count() == 1
        person.page.close()
