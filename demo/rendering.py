"""Answers as HTML for the conversation; every text that comes from outside is escaped."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from demo.asking import PageAnswer

_WORDS = ((0.9, "very sure"), (0.6, "fairly sure"), (0.3, "rather unsure"), (0.0, "unsure"))


def answer_html(answer: PageAnswer, question: str) -> str:
    """An answer with its confidence, the next answers, and what the server warns about.

    Args:
        answer: The answer.
        question: What was asked; shown where several questions were asked at once, so that each answer has its own.
    """
    score = answer.ranked[0][1]
    head = f'<p class="vqa-question">{escape(question)}</p>' if question else ""
    best = escape(answer.best)
    if answer.abstained:
        said = f'<p class="vqa-best vqa-unsure">I am not sure. My best guess is <strong>{best}</strong>.</p>'
    else:
        said = f'<p class="vqa-best"><strong>{best}</strong></p>'
    bar = _bar("", score, f"{_in_words(score)}, {score:.0%}")
    others = "".join(f"<li>{_bar(text, other, f'{other:.0%}')}</li>" for text, other in answer.ranked[1:5])
    rest = f'<p class="vqa-small">Other answers</p><ul class="vqa-others">{others}</ul>' if others else ""
    notes = "".join(f'<p class="vqa-small vqa-note">Note: {escape(one)}.</p>' for one in answer.warnings)
    by = f'<p class="vqa-small vqa-model">{escape(answer.model)} {escape(answer.version)}</p>'
    return f'<div class="vqa-answer">{head}{said}{bar}{rest}{notes}{by}</div>'


def picture_html(path: str) -> str:
    """A picture that was sent, from Gradio's folder of uploads; Gradio's own part for it has no text for readers."""
    return f'<img class="vqa-picture" src="gradio_api/file={quote(path)}" alt="the picture that you sent">'


def problem_html(message: str) -> str:
    """A sentence that says why there is no answer."""
    return f'<div class="vqa-problem">{escape(message)}</div>'


def status_html(message: str) -> str:
    """A sentence that screen readers say when it appears."""
    return f'<p role="status" class="vqa-small">{escape(message)}</p>'


def _bar(name: str, score: float, text: str) -> str:
    """A bar whose text is its label: Gradio removes ``aria-label`` from what is shown in a conversation."""
    before = f"<span>{escape(name)}</span> " if name else ""
    return (
        f'<label class="vqa-bar">{before}<progress max="100" value="{100 * score:.0f}"></progress> '
        f'<span class="vqa-figure">{escape(text)}</span></label>'
    )


def _in_words(score: float) -> str:
    return next(words for least, words in _WORDS if score >= least)
