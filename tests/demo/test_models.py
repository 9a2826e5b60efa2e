"""Several models and versions behind one page: people choose, and each answers as itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.demo.conftest import SAMPLES, Visit
from tests.support.chat_pages import chat_page
from tests.support.recipes import RecipeMaker
from vqaops.paths import RECIPES
from vqaops.server.server import Server

CIRCLE = SAMPLES / "blue-circle.jpg"


@pytest.fixture(scope="module")
def url(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Iterator[str]:
    old, new = make_recipe(), make_recipe()
    config = new / "model-config.yaml"
    config.write_text(config.read_text().replace("version: 1.0.0", "version: 1.1.0"))
    with chat_page(serve(RECIPES / "shapes", old, new).run, "--per-minute", "1000") as url:
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
