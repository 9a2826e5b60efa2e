"""A person says what an answer is worth, finds it again in the history, and the operator sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.demo.conftest import PATIENCE, SAMPLES, Visit
from tests.demo.test_accessibility import violations
from tests.support.chat_pages import chat_page
from tests.support.training import make_recipe
from vqaops.feedback.export import FILE, TRAIN
from vqaops.feedback.store import Feedback, FeedbackStore
from vqaops.paths import ROOT
from vqaops.server.ports import free_ports
from vqaops.server.server import Server

CIRCLE = SAMPLES / "blue-circle.jpg"
PICTURES = (CIRCLE, SAMPLES / "red-triangle.jpg", SAMPLES / "green-rectangle.jpg")
SHAPE, COLOUR = "what shape is in the image?", "what color is the shape?"
PASSWORD = "a password for tests"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback") / "feedback.sqlite3"


@pytest.fixture(scope="module")
def url(shapes_server: Server, database: Path) -> Iterator[str]:
    environment = pytest.MonkeyPatch()
    environment.setenv("VQA_OPERATOR_PASSWORD", PASSWORD)
    with (
        environment.context(),
        chat_page(shapes_server.run, "--per-minute", "1000", "--feedback", str(database)) as url,
    ):
        yield url
    environment.undo()


def rows(database: Path) -> list[Feedback]:
    return FeedbackStore.open_existing(database).rows()


def judge(person: Visit, thumb: str) -> None:
    person.page.locator("#chat").get_by_role("button", name=thumb, exact=True).last.click()
    person.page.get_by_role("status").filter(has_text="Thank you").first.wait_for()


def command(script: str, *arguments: object) -> None:
    """Run a command as a user does, and expect no error."""
    done = subprocess.run(
        [sys.executable, f"scripts/{script}", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_thumb_up_is_kept_without_the_picture(visit: Callable[..., Visit], url: str, database: Path):
    person = visit(url)
    person.ask(SHAPE, CIRCLE)
    person.await_answers("circle")
    judge(person, "Like")
    row = rows(database)[-1]
    assert (row.question, row.answers[0][0], row.thumbs_up, row.kept) == (SHAPE, "circle", True, None)
    assert (row.model, row.version) == ("shapes", "1.0.0")


def test_a_thumb_is_taken_back_by_a_second_click(visit: Callable[..., Visit], url: str, database: Path):
    person = visit(url)
    person.ask(SHAPE, CIRCLE)
    person.await_answers("circle")
    judge(person, "Like")
    person.page.locator("#chat").get_by_role("button", name="Liked", exact=True).last.click()
    person.page.get_by_role("status").filter(has_text="taken back").wait_for(timeout=PATIENCE)
    assert rows(database)[-1].thumbs_up is None


def test_a_correction_is_kept_and_serves_evaluation_and_training(
    visit: Callable[..., Visit], url: str, database: Path, shapes_server: Server, tmp_path: Path
):
    person = visit(url)
    person.page.locator("#keep input").check()
    for number, picture in enumerate(PICTURES, 1):
        person.ask(COLOUR, picture)
        person.answers.nth(number - 1).wait_for()
        judge(person, "Like")
    person.page.locator("#chat").get_by_role("button", name="Dislike", exact=True).last.click()
    person.page.locator("#correction textarea, #correction input").fill("dark green")
    person.screenshot("correction")
    person.page.get_by_role("button", name="Save").click()
    person.page.get_by_role("status").filter(has_text="Your correction is kept").wait_for(timeout=PATIENCE)
    row = rows(database)[-1]
    assert (row.question, row.thumbs_up, row.correction) == (COLOUR, False, "dark green")
    assert row.kept is not None
    assert row.kept.read_bytes() == PICTURES[-1].read_bytes()

    folder, scores, recipe = tmp_path / "export", tmp_path / "scores.json", make_recipe(tmp_path / "colours")
    command("feedback.py", "export", folder, "--database", database)
    command("evaluate.py", "shapes", folder / FILE, "--run", shapes_server.run, "--output", scores)
    assert json.loads(scores.read_text())["top1"] == pytest.approx(2 / 3)
    (folder / TRAIN).write_text((folder / FILE).read_text())  # three pictures are too few to hold some out by hash
    command("train.py", recipe, "--data", folder, "--state", tmp_path / "state", "--threads", "1")
    answers = (recipe / "weights" / "answers.txt").read_text().split("\n")
    assert sorted(filter(None, answers)) == ["blue", "dark green", "red"]


def test_the_history_shows_this_browsers_questions_only_and_forgets_them(
    visit: Callable[..., Visit], url: str, database: Path
):
    other, person = visit(url), visit(url)
    other.ask(COLOUR, CIRCLE)
    other.await_answers("blue")
    person.ask(SHAPE, CIRCLE)
    person.await_answers("circle")
    judge(person, "Dislike")
    person.page.get_by_role("tab", name="History").click()
    asked = person.page.locator("#asked")
    asked.get_by_text(SHAPE).locator("visible=true").first.wait_for()
    person.page.locator("#over-time").locator("canvas, svg.marks").first.wait_for()
    person.page.get_by_text("What this browser asked.").wait_for()
    person.screenshot("history")
    assert not violations(person)
    assert asked.get_by_text(COLOUR).locator("visible=true").count() == 0
    assert person.page.locator("#worst").get_by_text(SHAPE).locator("visible=true").count() == 1
    before = len(rows(database))
    person.page.get_by_role("button", name="Forget my questions").click()
    person.page.get_by_role("status").filter(has_text="are deleted").wait_for()
    person.page.get_by_text("This browser has not asked anything yet").wait_for()
    assert not asked.is_visible()
    assert len(rows(database)) == before - 1


def test_a_browser_finds_and_forgets_its_questions_after_the_page_was_started_again(
    visit: Callable[..., Visit], shapes_server: Server, tmp_path: Path
):
    database, port = tmp_path / "feedback.sqlite3", free_ports(1)[0]
    with chat_page(shapes_server.run, "--feedback", str(database), port=port) as url:
        person = visit(url)
        person.ask(SHAPE, CIRCLE)
        person.await_answers("circle")
    with chat_page(shapes_server.run, "--feedback", str(database), port=port) as url:
        person.page.goto(url)
        person.box.wait_for()
        person.page.get_by_role("tab", name="History").click()
        person.page.locator("#asked").get_by_text(SHAPE).locator("visible=true").first.wait_for()
        person.page.get_by_role("button", name="Forget my questions").click()
        person.page.get_by_role("status").filter(has_text="are deleted").wait_for()
        assert rows(database) == []
    person.page.goto("about:blank")
    person.complaints.clear()  # each time that the page was away


def test_the_operators_view_needs_the_password(url: str, database: Path):
    assert rows(database)
    view = f"{url}/operator"
    assert httpx.get(view).status_code == 401
    assert "Basic" in httpx.get(view).headers["WWW-Authenticate"]
    page = httpx.get(view, auth=("anybody", PASSWORD))
    assert page.status_code == 200
    assert "shapes 1.0.0" in page.text
    assert "script" not in page.text
    tried = [httpx.get(view, auth=("anybody", f"guess {number}")).status_code for number in range(12)]
    assert tried == [401] * 10 + [429] * 2
    assert httpx.get(view, auth=("anybody", PASSWORD)).status_code == 429, "a right guess is not told from a wrong one"


def test_without_a_password_there_is_no_operators_view(page_url: str):
    assert "Versions" not in httpx.get(f"{page_url}/operator").text
