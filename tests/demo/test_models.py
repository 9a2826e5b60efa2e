"""Several models and versions behind one page: people choose, and each answers as itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.demo.conftest import SAMPLES, Visit
from tests.support.chat_pages import chat_page
from tests.support.documents import OTHER, pdf
from tests.support.recipes import RecipeMaker
from vqaops.paths import RECIPES
from vqaops.server.server import Server

CIRCLE = SAMPLES / "blue-circle.jpg"


@pytest.fixture(scope="module")
def url(
    serve: Callable[..., Server], make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    old, new = make_recipe(), make_recipe()
    config = new / "model-config.yaml"
    config.write_text(config.read_text().replace("version: 1.0.0", "version: 1.1.0"))
    reader = shutil.copytree(RECIPES / "redactions", tmp_path_factory.mktemp("recipes") / "redactions")
    config = reader / "model-config.yaml"
    config.write_text(config.read_text().replace("Workers: 2", "Workers: 1"))  # enough for one person
    with chat_page(serve(RECIPES / "shapes", old, new, reader).run, "--per-minute", "1000") as url:
        yield url


def test_each_version_of_each_model_can_be_chosen_and_answers_as_itself(visit: Callable[..., Visit], url: str):
    person = visit(url)
    choice = person.page.locator("#model input")
    choice.click()
    options = person.page.get_by_role("option")
    options.first.wait_for()
    titles = options.all_inner_texts()
    assert len(titles) == 3, titles
    person.box.click()
    answered = []
    for title in titles:
        choice.click()
        person.page.get_by_role("option", name=title.strip("✓ \n"), exact=True).click()
        person.ask("what?", CIRCLE)
        answers = person.page.locator(".vqa-model")
        answers.nth(len(answered)).wait_for()
        answered.append(answers.nth(len(answered)).inner_text())
    assert sorted(answered) == ["dummy 1.0.0", "dummy 1.1.0", "shapes 1.0.0"]
    person.screenshot("models")


def test_a_file_that_is_no_document_is_refused_in_one_sentence(visit: Callable[..., Visit], url: str, tmp_path: Path):
    (tmp_path / "letter.pdf").write_bytes(pdf([OTHER])[:200])
    person = visit(url)
    person.page.get_by_role("tab", name="Redactions").click()
    find = person.page.get_by_role("button", name="Find redactions")
    find.click()
    person.page.locator(".vqa-problem").get_by_text("Please choose a document first").wait_for()
    person.page.locator("#document input[type=file]").set_input_files(tmp_path / "letter.pdf")
    person.page.get_by_text("letter.pdf").first.wait_for()
    find.click()
    person.page.locator(".vqa-problem").get_by_text("the PDF is damaged and cannot be opened").wait_for()


def test_without_a_model_that_reads_documents_there_is_no_such_tab(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.page.locator("#examples-shapes").wait_for()
    assert person.page.get_by_role("tab").all_inner_texts() == ["Ask", "History"]
