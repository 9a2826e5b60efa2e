"""Several models and versions behind one page: people choose, and each answers as itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
import pytest

from tests.demo.conftest import PATIENCE, SAMPLES, Visit
from tests.demo.test_accessibility import DESK, violations
from tests.support.chat_pages import chat_page
from tests.support.documents import OTHER, letter, pdf
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


def test_a_document_comes_back_as_its_redacted_pages_with_figures_and_a_pdf(
    visit: Callable[..., Visit], url: str, tmp_path: Path
):
    (tmp_path / "letter.pdf").write_bytes(pdf([OTHER, letter((3, 70, 200), (4, 70, 250), (12, 150, 90))] * 5))
    person = visit(url, **DESK)
    person.page.get_by_role("tab", name="Redactions").click()
    person.page.locator("#document input[type=file]").set_input_files(tmp_path / "letter.pdf")
    person.page.get_by_role("cell", name="letter.pdf").wait_for()
    person.page.locator("#document-examples").get_by_text("letter-redacted.png").wait_for()
    assert not violations(person)
    person.page.get_by_role("button", name="Find redactions").click()
    status = person.page.locator("#found").get_by_role("status")
    status.get_by_text("5 of 10 pages are redacted.").wait_for(timeout=2 * PATIENCE)
    assert "Text still lies under a box on pages 2, 4, 6, 8, 10" in status.inner_text()
    person.page.locator("#found-pages img").nth(4).wait_for()
    assert not violations(person, "image-redundant-alt")  # Gradio's gallery says each caption twice
    person.screenshot("redactions")
    figures = person.page.locator("#found-figures").get_by_role("row").filter(visible=True).all_inner_texts()
    assert len(figures) == 6, figures
    with person.page.expect_download() as download:
        person.page.get_by_text("Download the redacted pages").click()
    assert download.value.suggested_filename == "letter-redactions.pdf"
    assert len(pypdfium2.PdfDocument(download.value.path())) == 5


def test_a_file_that_is_no_document_is_refused_in_one_sentence(visit: Callable[..., Visit], url: str, tmp_path: Path):
    (tmp_path / "letter.pdf").write_bytes(pdf([OTHER])[:200])
    person = visit(url)
    person.page.get_by_role("tab", name="Redactions").click()
    find = person.page.get_by_role("button", name="Find redactions")
    find.click()
    person.page.locator(".vqa-problem").get_by_text("Please choose a document first").wait_for()
    person.page.locator("#document input[type=file]").set_input_files(tmp_path / "letter.pdf")
    person.page.get_by_role("cell", name="letter.pdf").wait_for()
    find.click()
    person.page.locator(".vqa-problem").get_by_text("the PDF is damaged and cannot be opened").wait_for()


def test_without_a_model_that_reads_documents_there_is_no_such_tab(visit: Callable[..., Visit], page_url: str):
    person = visit(page_url)
    person.page.locator("#examples-shapes").wait_for()
    assert person.page.get_by_role("tab").all_inner_texts() == ["Ask", "History"]
