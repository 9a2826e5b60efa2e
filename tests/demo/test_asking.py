"""A person asks on the page, in a real browser, and the real server answers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.demo.conftest import PATIENCE, SAMPLES, Visit
from vqaops.server.server import Server

CIRCLE, TRIANGLE = SAMPLES / "blue-circle.jpg", SAMPLES / "red-triangle.jpg"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def test_a_follow_up_question_is_about_the_last_picture_and_a_new_picture_replaces_it(
    visit: Callable[..., Visit], page_url: str
):
    person = visit(page_url)
    person.ask("what shape is in the image?", CIRCLE)
    person.await_answers("circle")
    person.ask("what color is the shape?")
    person.await_answers("circle", "blue")
    person.ask("what color is the shape?", TRIANGLE)
    person.await_answers("circle", "blue", "red")
    person.ask("what shape is in the image?")
    person.await_answers("circle", "blue", "red", "triangle")
    person.screenshot("conversation")


def test_a_question_sent_before_the_last_one_is_answered_is_asked_next_and_enter_twice_asks_once(
    visit: Callable[..., Visit], page_url: str
):
    person = visit(page_url)
    person.ask("what shape is in the image?\n" * 9, CIRCLE)
    person.page.wait_for_function("document.querySelector('#box textarea').value === ''")
    person.ask("what color is the shape?")
    person.box.press("Enter")
    person.await_answers(*["circle"] * 9, "blue")
    person.ask("what shape is in the image?")
    person.await_answers(*["circle"] * 9, "blue", "circle")
    assert person.page.locator(".vqa-problem").count() == 0


def test_several_questions_on_a_line_each_are_answered_in_their_order(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.add(CIRCLE)
    person.box.focus()
    person.page.keyboard.type("what shape is in the image?")
    person.page.keyboard.press("Shift+Enter")
    person.page.keyboard.type("what color is the shape?")
    person.page.keyboard.press("Enter")
    person.await_answers("circle", "blue")
    assert person.page.locator(".vqa-question").all_inner_texts() == [
        "what shape is in the image?",
        "what color is the shape?",
    ]


def test_an_answer_shows_its_confidence_and_the_next_four(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.ask("what shape is in the image?", CIRCLE)
    person.await_answers("circle")
    answer = person.page.locator(".vqa-answer")
    assert answer.get_by_role("progressbar", name="very sure, 100%").get_attribute("value") == "100"
    assert answer.locator("li").count() == 4
    assert "shapes 1.0.0" in answer.inner_text()


def test_a_pasted_picture_is_asked_about(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.box.evaluate(
        """(box, [name, encoded]) => {
            const bytes = Uint8Array.from(atob(encoded), one => one.charCodeAt(0));
            const clipboard = new DataTransfer();
            clipboard.items.add(new File([bytes], name, {type: "image/jpeg"}));
            box.dispatchEvent(new ClipboardEvent("paste", {clipboardData: clipboard, bubbles: true}));
        }""",
        [CIRCLE.name, base64.b64encode(CIRCLE.read_bytes()).decode()],
    )
    person.page.locator("#box .thumbnail-item").wait_for()
    person.ask("what shape is in the image?")
    person.await_answers("circle")


def test_a_dropped_picture_is_asked_about(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    dropped = person.page.evaluate_handle(
        """([name, encoded]) => {
            const bytes = Uint8Array.from(atob(encoded), one => one.charCodeAt(0));
            const dropped = new DataTransfer();
            dropped.items.add(new File([bytes], name, {type: "image/jpeg"}));
            return dropped;
        }""",
        [CIRCLE.name, base64.b64encode(CIRCLE.read_bytes()).decode()],
    )
    for event in ("dragenter", "dragover", "drop"):
        person.box.dispatch_event(event, {"dataTransfer": dropped})
    person.page.locator("#box .thumbnail-item").wait_for()
    person.ask("what shape is in the image?")
    person.await_answers("circle")


def test_a_photo_of_the_camera_is_asked_about(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.page.get_by_text("Take a picture with the camera").click()
    camera = person.page.locator("#camera")
    camera.get_by_text("Click to Access Webcam").click()
    # Before its first frame a camera has nothing to capture, and Gradio ignores the click.
    person.page.wait_for_function("document.querySelector('#camera video')?.videoWidth > 0")
    camera.get_by_role("button", name="capture photo").click()
    person.page.locator("#box .thumbnail-item").wait_for()
    person.ask("what shape is in the image?")
    person.page.locator(".vqa-answer").wait_for()
    person.screenshot("camera")


def test_an_example_brings_its_picture_and_question(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    assert not person.page.locator("#examples-rooms").is_visible()
    person.page.locator("#examples-shapes").get_by_text("what shape is in the image?").click()
    person.page.locator("#box .thumbnail-item").wait_for()
    person.box.press("Enter")
    person.await_answers("circle")


def test_a_phone_shows_where_to_ask_and_an_example_without_scrolling(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url, **PHONE)
    person.await_examples("shapes")
    for part in (person.box, person.page.locator("#examples-shapes .gallery-item").first):
        place = part.bounding_box()
        assert place
        assert place["y"] + place["height"] <= PHONE["viewport"]["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_photo_of_12_megapixels_is_answered_on_a_phone_without_scrolling_sideways(
    visit: Callable[..., Visit], page_url: str, tmp_path: Path, scheme: str
):
    photo = tmp_path / "photo.jpg"
    with Image.open(CIRCLE) as small:
        small.resize((4032, 3024)).save(photo, quality=95)
    person = visit(page_url, **PHONE, color_scheme=scheme)
    person.ask("what color is the shape?", photo)
    person.await_answers("blue")
    width, shown = person.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= shown
    hidden = person.page.locator("#chat .bubble-wrap").evaluate("one => one.scrollWidth - one.clientWidth")
    assert hidden <= 0
    person.screenshot(f"phone-{scheme}")


def test_the_page_can_be_used_with_the_keyboard_alone(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    keyboard, chosen = person.page.keyboard, []
    person.page.on("filechooser", lambda chooser: (chosen.append(chooser), chooser.set_files(CIRCLE)))
    person.box.focus()
    for _ in range(10):
        if person.page.evaluate("document.activeElement.dataset.testid") == "upload-button":
            break
        keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    person.page.locator("#box .thumbnail-item").wait_for()
    assert chosen
    for _ in range(10):
        if person.page.evaluate("document.activeElement.tagName") == "TEXTAREA":
            break
        keyboard.press("Tab")
    keyboard.type("what shape is in the image?")
    keyboard.press("Enter")
    person.await_answers("circle")


def test_a_new_conversation_forgets_the_picture(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.ask("what shape is in the image?", CIRCLE)
    person.await_answers("circle")
    person.page.locator("#clear").click()
    person.answers.first.wait_for(state="detached")
    person.ask("what shape is in the image?")
    person.page.locator(".vqa-problem").get_by_text("Please add a picture first").wait_for(timeout=PATIENCE)


def test_the_browser_asks_no_other_host_and_never_sees_a_token(
    visit: Callable[..., Visit], page_url: str, shapes_server: Server
):
    person = visit(page_url)
    person.ask("what shape is in the image?", CIRCLE)
    person.await_answers("circle")
    others = [one.url for one in person.requests if not one.url.startswith((f"{page_url}/", "data:", "blob:"))]
    assert others == []
    secrets = [shapes_server.client.token(kind) for kind in ("inference", "management", "API")]
    seen = [str(person.page.content()), *(str(one.all_headers()) + (one.post_data or "") for one in person.requests)]
    for reply in person.replies:
        kind = reply.headers.get("content-type", "")
        if kind.startswith(("text/html", "application/json", "text/javascript")) and reply.status == 200:
            seen.append(reply.text())
    assert not [text for text in seen for secret in secrets if secret in text]
