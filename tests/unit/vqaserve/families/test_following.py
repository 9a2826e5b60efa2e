"""What families report while they write, and what is certain of a text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.support.families import CONVERSATIONS, LONG, PAIRS, SHORT, asked
from tests.tiny.kinds import Tiny
from vqaserve.families.base import Family
from vqaserve.families.following import certain_text
from vqaserve.types import Answer, Query
from vqaserve.writing import Draft, PartialProgress, Progress


class Watching(Progress):
    """Wants the text of every row, and gives up some rows after their first report."""

    def __init__(self, rows: int, gives_up: Sequence[int] = ()) -> None:
        self.reports: list[list[Draft]] = [[] for _ in range(rows)]
        self._gives_up = frozenset(gives_up)

    @property
    def streamed(self) -> frozenset[int]:
        return frozenset(range(len(self.reports)))

    @property
    def bounded(self) -> bool:
        return bool(self._gives_up)

    def wrote(self, drafts: Mapping[int, Draft]) -> None:
        for row, draft in drafts.items():
            assert not self.reports[row] or self.reports[row][-1].writing is None, "a complete draft comes last"
            self.reports[row].append(draft)

    def abandoned(self) -> frozenset[int]:
        return frozenset(row for row in self._gives_up if self.reports[row])


def written(
    family: Family[Any, Any], pairs: Sequence[tuple[Any, Query]], progress: Progress
) -> list[tuple[Answer, ...]]:
    features = family.encode([picture for picture, _ in pairs])
    queries = [query for _, query in pairs]
    return family.decode(family.write(features, queries, progress), queries)


@pytest.fixture
def writing(family: Family[Any, Any]) -> Family[Any, Any]:
    if not family.writes:
        pytest.skip("the family does not write")
    return family


SINGLE = [(picture, asked(query.question)) for picture, query in PAIRS]


def test_drafts_grow_to_the_answer_and_do_not_change_it(writing: Family[Any, Any]):
    progress = Watching(len(SINGLE))
    watched = written(writing, SINGLE, progress)
    assert [ranked[0].answer for ranked in watched] == [
        ranked[0].answer for ranked in written(writing, SINGLE, Progress())
    ]
    for reports, ranked in zip(progress.reports, watched, strict=True):
        texts = [draft.text for draft in reports] + [ranked[0].answer]
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
        if reports and reports[-1].writing:
            assert reports[-1].text == ranked[0].answer
            assert reports[-1].writing == ranked[0].writing


def test_a_text_that_ends_the_answer_is_never_reported(writing: Family[Any, Any]):
    picture = SINGLE[0][0]
    whole = written(writing, SINGLE[:1], Progress())[0][0].answer
    if len(whole) < 3:
        pytest.skip("this random model writes too little")
    stop = whole[len(whole) // 2 :][:2]
    if not stop.strip() or stop in ("\N{REPLACEMENT CHARACTER}" * 2,):
        pytest.skip("there is no text in the middle of this answer")
    query = Query(b"", SHORT, 1, stop=(stop,), labels=asked(SHORT).labels)
    progress = Watching(1)
    ((answer,),) = written(writing, [(picture, query)], progress)
    assert stop not in answer.answer
    assert all(answer.answer.startswith(draft.text) for draft in progress.reports[0])


def test_an_abandoned_row_ends_and_the_others_are_written_as_without_it(writing: Family[Any, Any]):
    progress = Watching(len(SINGLE), gives_up=[1])
    watched = written(writing, SINGLE, progress)
    expected = written(writing, SINGLE, Progress())
    kept = [row for row in range(len(SINGLE)) if row != 1]
    assert [watched[row][0].answer for row in kept] == [expected[row][0].answer for row in kept]


def test_conversations_are_reported_too(tiny: Tiny):
    family = tiny.load()
    if not family.reads_conversations:
        pytest.skip("the family answers single questions")
    features = [family.join(family.encode(pictures)) for pictures, _ in CONVERSATIONS]
    queries = [query for _, query in CONVERSATIONS]
    progress = Watching(len(queries))
    found = family.decode(family.write(features, queries, progress), queries)
    for reports, ranked in zip(progress.reports, found, strict=True):
        assert reports[-1].writing
        assert reports[-1].text == ranked[0].answer


def test_nothing_is_reported_of_a_search_by_beams_before_its_end(writing: Family[Any, Any]):
    query = Query(b"", LONG, 2, parameters={"num_beams": 2}, labels=asked(LONG).labels)
    progress = Watching(1)
    assert written(writing, [(SINGLE[0][0], query)], progress)[0]
    assert progress.reports == [[]]


@pytest.mark.parametrize(
    ("text", "certain"),
    [
        ("a cup", "a cup"),
        (" a cup ", "a cup"),
        ("caf\N{REPLACEMENT CHARACTER}", "caf"),
        ("caf\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}", "caf"),
        ("a 👨", "a"),
        ("a 👨\u200d", "a"),
        ("a 👨\u200d👩", "a"),
        ("a 👨\u200d👩!", "a 👨\u200d👩!"),
        ("❤\ufe0f", ""),
        ("图片", "图片"),
        ("", ""),
        ("\N{REPLACEMENT CHARACTER}", ""),
    ],
)
def test_no_character_and_no_emoji_is_cut(text: str, certain: str):
    assert certain_text(text) == certain


@pytest.mark.parametrize(
    ("text", "certain"),
    [
        ("one. ", "one."),
        ("one. E", "one."),
        ("one. EN", "one."),
        ("one. END", "one."),
        ("one. END and more", "one."),
        ("one. Ende", "one. Ende"),
        ("one\n", "one"),
        ("one\n\nHuman", "one"),
    ],
)
def test_neither_a_stop_text_nor_its_beginning_is_certain(text: str, certain: str):
    assert certain_text(text, ["END", "\n\nHuman:"]) == certain


def test_the_last_word_is_not_certain_where_words_are_joined():
    assert certain_text("he don '", joins_words=True) == "he don"
    assert certain_text("he", joins_words=True) == ""


def test_the_rows_of_a_part_are_those_of_the_whole():
    whole = Watching(5, gives_up=[3])
    part = PartialProgress(whole, [3, 1])
    part.wrote({0: Draft("x"), 1: Draft("y")})
    assert (whole.reports[3], whole.reports[1]) == ([Draft("x")], [Draft("y")])
    assert part.abandoned() == {0}
    assert part.streamed == {0, 1}
