from __future__ import annotations

from pathlib import Path

import pytest

from demo.asking import PageAnswer, PageExplanation
from demo.rendering import (
    answer_html,
    answer_message,
    problem_html,
    question_message,
    sent_html,
    why_html,
    without_working,
    working_message,
)
from tests.support.pictures import encoded


def answer(*ranked: tuple[str, float], abstained: bool = False, warnings: tuple[str, ...] = ()) -> PageAnswer:
    return PageAnswer(ranked, abstained, warnings, "rooms", "1.0.0")


def test_an_answer_below_the_threshold_is_said_not_to_be_sure_with_the_best_guess():
    html = answer_html(answer(("chair", 0.12), abstained=True), "")
    assert "I am not sure. My best guess is <strong>chair</strong>." in html
    assert "unsure, 12%" in html


def test_the_four_answers_after_the_best_are_listed():
    html = answer_html(answer(*((f"answer {number}", 0.1) for number in range(7))), "")
    assert html.count("<li>") == 4
    assert "answer 4" in html
    assert "answer 5" not in html


def test_texts_from_outside_cannot_bring_tags():
    evil = "<img src=x onerror=alert(1)>"
    html = answer_html(answer((evil, 0.9), (evil, 0.1), warnings=(evil,)), evil) + problem_html(evil)
    assert "<img" not in html


def test_a_file_that_a_browser_cannot_show_is_named(tmp_path: Path):
    for name, content in (("notes <1>.txt", b"no picture"), ("scan.tif", encoded(file_format="TIFF"))):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "red.png").write_bytes(encoded())
    assert sent_html(str(tmp_path / "notes <1>.txt")) == '<span class="vqa-file">notes &lt;1&gt;.txt</span>'
    assert "scan.tif</span>" in sent_html(str(tmp_path / "scan.tif"))
    assert sent_html(str(tmp_path / "red.png")).startswith("<img ")


def test_a_conversation_goes_on_without_the_message_that_the_page_waits():
    history = [question_message([], "what?"), answer_message("<p>working</p>"), working_message()]
    as_gradio_gives_it = [{**one, "content": [_normalised(part) for part in one["content"]]} for one in history]
    assert [one["role"] for one in without_working(as_gradio_gives_it)] == ["user", "assistant"]


def _normalised(part: object) -> object:
    return {"type": "text", "text": part} if isinstance(part, str) else part


@pytest.mark.parametrize(
    ("heavy", "place"),
    [((0, 0), "top left"), ((0, 3), "top right"), ((2, 1), "middle"), ((4, 2), "bottom")],
)
def test_an_explanation_says_in_words_where_the_heaviest_part_lies(heavy: tuple[int, int], place: str):
    grid = tuple(tuple(1.0 if (row, column) == heavy else 0.2 for column in range(4)) for row in range(5))
    html = why_html(PageExplanation("blue", grid, (("what", 0.0), ("color", 1.0))), "why.png")
    assert f"rests most on the {place} of the picture" in html
    assert f'most of all at the {place}"' in html
    assert "Words that count: <q>color</q> 100%" in html


def test_an_answer_that_no_part_speaks_for_is_said_to_have_none():
    html = why_html(PageExplanation("yes", ((0.0, 0.0),), ()), "why.png")
    assert "No part of the picture speaks for the answer <strong>yes</strong>." in html
    assert "Words" not in html
