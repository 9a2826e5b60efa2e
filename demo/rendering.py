"""Answers as HTML for the conversation; every text that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from demo.asking import PageAnswer, PageExplanation
from demo.pictures import can_be_shown

_WORKING: Final = '<p class="vqa-working">Looking at the picture</p>'
_COUNTS = 0.25
"""Weight from which on a word is named; the weightiest has 1."""
_THIRDS = (("top left", "top", "top right"), ("left", "middle", "right"), ("bottom left", "bottom", "bottom right"))
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


def sent_html(path: str) -> str:
    """A file that was sent: the picture, or the file's name if a browser cannot show it."""
    if not can_be_shown(Path(path)):
        return f'<span class="vqa-file">{escape(Path(path).name)}</span>'
    return picture_html(path, "the picture that you sent")


def picture_html(path: str, alt: str) -> str:
    """A picture in one of Gradio's folders; Gradio's own part for it has no text for readers."""
    return f'<img class="vqa-picture" src="gradio_api/file={quote(path)}" alt="{escape(alt)}">'


def why_html(explanation: PageExplanation, drawing: str) -> str:
    """What an answer rests on: the picture with the map, and the words that count.

    Args:
        explanation: What the server says.
        drawing: The drawn map's file.
    """
    place = _weightiest(explanation.grid)
    answer = f"<strong>{escape(explanation.answer)}</strong>"
    if place:
        said = (
            f"The answer {answer} rests most on the {place} of the picture. Bright parts count most, grey ones do not."
        )
        alt = f"your picture in grey; what the answer rests on is coloured, most of all at the {place}"
    else:
        said = f"No part of the picture speaks for the answer {answer}."
        alt = "your picture in grey, without any coloured part"
    counting = sorted((one for one in explanation.words if one[1] >= _COUNTS), key=lambda one: -one[1])
    words = ", ".join(f"<q>{escape(word)}</q> {weight:.0%}" for word, weight in counting)
    rest = f'<p class="vqa-small">Words that count: {words}</p>' if words else ""
    return f'<div class="vqa-why"><p>{said}</p>{picture_html(drawing, alt)}{rest}</div>'


def html_part(html: str) -> dict[str, Any]:
    """HTML as a part of a message.

    Gradio copies a part that is text into its label, tags and all, which some screen readers read aloud.
    """
    return {"type": "component", "component": "html", "value": html, "constructor_args": {}, "props": {}}


def question_message(files: Sequence[str], text: str) -> dict[str, Any]:
    """What a person sent.

    Args:
        files: The files that were sent.
        text: What was typed; may be empty if there are files.
    """
    parts: list[Any] = [html_part(sent_html(file)) for file in files]
    return {"role": "user", "content": [*parts, *([text] if text else [])]}


def answer_message(html: str) -> dict[str, Any]:
    """What the page says. It has one part: Gradio shows the thumbs under each."""
    return {"role": "assistant", "content": [html_part(html)]}


def working_message() -> dict[str, Any]:
    """The last message while the page waits for the server."""
    return answer_message(_WORKING)


def without_working(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A conversation as Gradio gives it, without a message that says that the page waits."""
    return [one for one in history if not any(part.get("value") == _WORKING for part in one["content"])]


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


def _weightiest(grid: Sequence[Sequence[float]]) -> str:
    """Where the heaviest part of a picture lies, in words; empty if no part has any weight."""
    weight, y, x = max((weight, y, x) for y, line in enumerate(grid) for x, weight in enumerate(line))
    if not weight:
        return ""
    row, column = (3 * (2 * at + 1) // (2 * of) for at, of in ((y, len(grid)), (x, len(grid[0]))))
    return _THIRDS[row][column]
