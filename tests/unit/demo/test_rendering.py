from __future__ import annotations

from demo.asking import PageAnswer
from demo.rendering import answer_html, problem_html


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
