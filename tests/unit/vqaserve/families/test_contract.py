"""The contract of all families, tested with tiny random models of the real classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.families import (
    CONVERSATIONS,
    LONG,
    PAIRS,
    SHORT,
    answers,
    asked,
    assert_plausible,
    assert_same,
    conversed,
    encoded,
    photo,
)
from tests.tiny import KINDS
from tests.tiny.damage import cut_off, remove, reshape
from tests.tiny.kinds import Tiny
from vqaserve.errors import InvalidParameter, RecipeError
from vqaserve.explaining import Explainer
from vqaserve.families import FAMILIES
from vqaserve.families.base import Family
from vqaserve.images import open_picture
from vqaserve.limits import Limits
from vqaserve.metrics import Stopwatch
from vqaserve.pictures import Picture
from vqaserve.settings import Explain
from vqaserve.types import Item, Query


def test_no_family_is_left_out():
    assert {family for family, _ in KINDS.values()} == set(FAMILIES)


def test_an_answer_alone_is_the_answer_in_a_batch(family: Family[Any, Any]):
    assert_same(answers(family, PAIRS), [ranked for pair in PAIRS for ranked in answers(family, [pair])])


def test_an_answer_does_not_depend_on_the_order_of_its_batch(family: Family[Any, Any]):
    assert_same(answers(family, PAIRS[::-1])[::-1], answers(family, PAIRS))


def test_a_conversation_gets_the_same_answer_alone_in_a_batch_and_in_any_order(tiny: Tiny):
    family = tiny.load()
    if not family.reads_conversations:
        pytest.skip("the family answers single questions")
    expected = [ranked for one in CONVERSATIONS for ranked in conversed(tiny.load(), [one])]
    assert_same(conversed(family, CONVERSATIONS), expected)
    assert_same(conversed(family, CONVERSATIONS[::-1])[::-1], expected)
    assert_same([ranked for one in CONVERSATIONS for ranked in conversed(family, [one])], expected)


def test_a_kept_feature_answers_several_questions(family: Family[Any, Any]):
    picture, queries = PAIRS[0][0], [asked(SHORT, 2), asked(LONG, 2), asked(SHORT, 2)]
    (feature,) = family.encode([picture])
    found = family.decode(family.forward([feature] * 3, queries), queries)
    assert_same(found, [answers(family, [(picture, query)])[0] for query in queries])


def test_different_pictures_get_different_numbers(family: Family[Any, Any]):
    query = asked(SHORT)
    first, second = answers(family, [(PAIRS[0][0], query), (PAIRS[1][0], query)])
    assert first != second


def test_different_questions_get_different_numbers(family: Family[Any, Any]):
    if family.tasks <= WITHOUT_TEXT:
        pytest.skip("this family reads no text beside the picture")
    first, second = answers(family, [(PAIRS[0][0], asked(question, 3)) for question in (SHORT, LONG)])
    assert first != second


def test_every_answer_can_be_explained(family: Family[Any, Any]):
    picture, query = PAIRS[0]
    [ranked] = answers(family, [PAIRS[0]])
    item = Item("1", replace(query, explain="json"), Picture("a", picture), answers=ranked)
    [explained] = Explainer(family, Explain(method="occlusion", samples=4), 60, Stopwatch()).explain([item])
    assert explained.explanation is not None, explained.error
    grid = np.asarray(explained.explanation.grid)
    assert explained.explanation.answer == ranked[0].answer
    assert 1 < grid.size <= 4
    assert grid.min() >= 0
    assert grid.max() in (0, 1)


WITHOUT_TEXT = {"document_redaction_detection", "image_classification"}

ODD_PICTURES = {
    "1 x 1": encoded(Image.new("RGB", (1, 1), "red")),
    "1 x 2000": encoded(photo(1, 2000)),
    "2000 x 1": encoded(photo(2000, 1)),
    "grey": encoded(photo(40, 30).convert("L")),
    "alpha": encoded(photo(40, 30).convert("RGBA")),
    "palette": encoded(photo(40, 30).convert("P"), "GIF"),
    "CMYK": encoded(photo(40, 30).convert("CMYK"), "JPEG"),
    "16-bit": encoded(Image.fromarray(np.arange(0, 60000, 50, dtype=np.uint16).reshape(30, 40))),
}


def test_odd_pictures_are_answered(family: Family[Any, Any]):
    pictures = [open_picture(data, Limits().pictures).pixels for data in ODD_PICTURES.values()]
    found = answers(family, [(picture, asked(SHORT, 2)) for picture in pictures])
    assert_plausible(found, 2)


ODD_QUESTIONS = {
    "long": "is it red " * 50,
    "empty for a tokenizer": "\u200b",
    "Chinese": "图片里有什么",
    "right to left": "ما لون الجدار؟",
    "emoji": "🙂🪑👩‍👩‍👧",
    "control tokens": "<image> [SEP] </s> <|im_end|> <|image_pad|> what?",
    "braces": "{question} {clip_similarity} {{ question }} {% raw %}",
}


def test_odd_questions_are_answered(family: Family[Any, Any]):
    pairs = [(PAIRS[0][0], asked(question, 2)) for question in ODD_QUESTIONS.values()]
    found = answers(family, pairs)
    assert_plausible(found, 2)
    assert_same(found, [ranked for pair in pairs for ranked in answers(family, [pair])])


def test_a_parameter_out_of_range_is_refused(family: Family[Any, Any]):
    for name, (_, highest) in family.parameters.items():
        with pytest.raises(InvalidParameter, match=rf"^{name} is {highest + 1}; it can be "):
            family.check(Query(b"", "?", parameters={name: highest + 1}))
    with pytest.raises(InvalidParameter, match="takes no parameter 'volume'; it takes: top_k"):
        family.check(Query(b"", "?", parameters={"volume": 11}))


WEIGHTLESS = {"dummy"}
WITH_WEIGHTS = [kind for kind in KINDS if kind not in WEIGHTLESS]


@pytest.mark.parametrize("damage", [cut_off, remove, reshape])
@pytest.mark.parametrize("kind", WITH_WEIGHTS)
def test_damaged_weights_are_refused_in_one_line(
    kind: str, damage: Callable[[Path], None], make_tiny: Callable[[str], Tiny]
):
    tiny = make_tiny(kind)
    for file in sorted(tiny.folder.rglob("*.safetensors")):
        whole = file.read_bytes()
        damage(file)
        with pytest.raises(RecipeError) as refusal:
            tiny.load()
        file.write_bytes(whole)
        assert str(file.parent) in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", WITH_WEIGHTS)
def test_a_missing_file_is_refused_in_one_line(kind: str, make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny(kind)
    for file in sorted(tiny.folder.rglob("*config.json")):
        older = file.with_name("preprocessor_config.json")
        if file.name in OPTIONAL or (file.name == "processor_config.json" and older.exists()):
            continue
        text = file.read_text()
        file.unlink()
        with pytest.raises(RecipeError) as refusal:
            tiny.load()
        file.write_text(text)
        assert "\n" not in str(refusal.value)


OPTIONAL = {"generation_config.json", "tokenizer_config.json"}


def test_an_unknown_option_is_refused(tiny: Tiny):
    with pytest.raises(RecipeError, match=r"^handler\.options of family .*: unknown key 'colour'; allowed: "):
        tiny.load(options={"colour": "red"})
