"""The same question is the same text, however it was typed, pasted or written by a program."""

# ruff: noqa: RUF001 - that letters look alike is what is tested

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.families.dummy import Dummy
from vqaserve.pipeline import Pipeline
from vqaserve.settings import HandlerSettings
from vqaserve.tasks.question_text import normalize_question
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Model, Request

PLAIN = 'what\'s in the "box"?'


@pytest.mark.parametrize(
    "typed",
    [
        "what’s in the “box”?",
        "what‘s in the „box‟?",
        "whatʼs in the ″box″?",
        "what´s in the “box”?",
        "what＇s in the ＂box＂？",
        "ｗｈａｔ＇ｓ　ｉｎ　ｔｈｅ　＂ｂｏｘ＂？",
        '  what\'s\tin\r\nthe   "box"?\n',
        'what\'s in\u00a0the\u2009\u3000"box"?',
        'what\'s\u2028in the\u0085"box"?',
        'what\'s in the "bo\u00adx"?',
        'what\'s in the "b\u200bo\u2060x"?',
        '\ufeffwhat\'s in the "box"?\ufeff',
        '\u202awhat\'s in the \u200e"box"\u200f?\u202c',
        '\u2066what\'s in the\u2069 "box"?',
        'what\'s in\u200d the\u200c "bo\u200cx"?',
        'what\'s in the "box"?\U000e0041\U000e0001',
        'what\'s in the "box"?\0\x07\x1b',
    ],
)
def test_a_question_has_one_spelling(typed: str):
    assert normalize_question(typed, 500) == PLAIN


SPELLINGS = {
    "an ellipsis": ("is it red\u2026", "is it red..."),
    "a hyphen": ("the top\u2010left one", "the top-left one"),
    "a hyphen that does not break": ("the top\u2011left one", "the top-left one"),
    "a minus sign": ("is it \u22125", "is it -5"),
    "ligatures": ("\ufb01ve \ufb02owers", "five flowers"),
    "small forms": ("red\ufe50 blue\ufe56", "red, blue?"),
    "an ideographic full stop": ("what color is it\u3002", "what color is it."),
    "a selector behind a letter": ("is it re\ufe0fd?", "is it red?"),
    "a selector at the start": ("\ufe0eis it red?", "is it red?"),
    "a selector of ideographs": ("\u8fbb\U000e0100", "\u8fbb"),
    "a Hangul filler": ("is it\u3164 red?", "is it red?"),
    "a halfwidth Hangul filler": ("is it\uffa0 red?", "is it red?"),
    "narrow katakana": ("\uff76\uff9e\uff97\uff7d", "\u30ac\u30e9\u30b9"),
    "a musical control": ("is it\U0001d173 red?", "is it red?"),
}


@pytest.mark.parametrize(("typed", "meant"), SPELLINGS.values(), ids=SPELLINGS)
def test_what_looks_the_same_is_the_same(typed: str, meant: str):
    assert normalize_question(typed, 500) == meant


@pytest.mark.parametrize("letters", ["größe", "Ångström", "việt", "한국어", "ᾴ", "क्षि"])
def test_letters_with_marks_are_composed(letters: str):
    decomposed = unicodedata.normalize("NFD", letters)
    assert normalize_question(decomposed, 500) == unicodedata.normalize("NFC", letters)


def test_a_mark_that_an_invisible_character_kept_away_is_composed():
    assert normalize_question("u\u200b\u0308ber", 500) == "über"


@pytest.mark.parametrize(
    "question",
    [
        "می‌خواهم چه رنگی است؟",  # Persian spells with a non-joiner
        "ක්‍රීඩා",  # Sinhala joins with a joiner
        "क्‍ष",
        "what is the 👩‍👩‍👧 doing?",
        "is it 🏳️‍🌈 or ❤️‍🔥?",
        "👍🏽 or 👎🏿?",
        "is this 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f?",
        "was ist größer – 1½ oder 2²?",
        "a chair — or two?",
        "何色ですか。",
        "press 1\ufe0f\u20e3 or #\ufe0f\u20e3",
        "这是什么颜色的？".replace("？", "?"),
        "¿Qué hay en la «caja»?",
        "WHAT is in the BOX?",
        "what does the <script> on the sign say?",
    ],
)
def test_visible_characters_are_not_changed(question: str):
    assert normalize_question(question, 500) == question


def test_normalizing_twice_changes_nothing_more():
    for typed in ("what’s\u00a0in  the “box”？", "e\u0301\u200b\u0301", "\u200d👩\u200d\u200d👧"):
        once = normalize_question(typed, 500)
        assert normalize_question(once, 500) == once


def test_a_long_run_of_marks_takes_no_long_time():
    marks = "\u0301\u0316" * 1_000_000
    start = time.process_time()
    assert len(normalize_question("a" + marks, 500)) > 500
    assert time.process_time() - start < 5


B64 = as_base64(encoded())


def of_form(question: str) -> Request:
    return Request("id", {"image": encoded(), "question": question.encode()})


def of_json(question: str) -> Request:
    return Request("id", {"body": {"image": B64, "question": question}})


def of_hugging_face(question: str) -> Request:
    return Request("id", {"body": {"inputs": {"image": B64, "question": question}}})


def of_kserve_v1(question: str) -> Request:
    return Request("id", {"body": {"instances": [{"image": B64, "question": question}]}})


def of_kserve_v2(question: str) -> Request:
    data = {"image": B64, "question": question}
    inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in data.items()]
    return Request("id", {"body": {"inputs": inputs}})


def of_chat(question: str) -> Request:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}"}}
    message = {"role": "user", "content": [{"type": "text", "text": question}, picture]}
    return Request("id", {"body": {"messages": [message]}}, {"url_path": "v1/chat/completions"})


FORMATS = [of_form, of_json, of_hugging_face, of_kserve_v1, of_kserve_v2, of_chat]


@pytest.fixture
def pipeline() -> Pipeline:
    settings = HandlerSettings(version="1.0.0", family="dummy")
    return Pipeline(VisualQuestionAnswering(settings), Dummy(), settings, Model("dummy", "1.0.0"))


@pytest.mark.parametrize("request_of", FORMATS)
def test_every_format_asks_the_one_spelling(pipeline: Pipeline, request_of: Callable[[str], Request]):
    (reply,) = pipeline.answer([request_of("\u200b what’s\u00a0in the “box”？\n")])
    assert json.dumps(f"4x3 #ff0000: {PLAIN}") in reply.body.decode()


@pytest.mark.parametrize("request_of", FORMATS)
def test_every_format_answers_another_spelling_from_the_cache(pipeline: Pipeline, request_of: Callable[[str], Request]):
    pipeline.answer([request_of(PLAIN)])
    pipeline.answer([request_of("what’s in the “bo\u00adx”？")])
    assert pipeline.answerer.counters["answers"]["hits"] == 1


@pytest.mark.parametrize("request_of", FORMATS)
def test_every_format_counts_the_characters_of_the_one_spelling(
    pipeline: Pipeline, request_of: Callable[[str], Request]
):
    fits, too_long = "x" * 250 + " \u200b" * 5000 + "y" * 249, "x" * 501
    assert [reply.status for reply in pipeline.answer([request_of(fits), request_of(too_long)])] == [200, 422]
