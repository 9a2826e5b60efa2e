"""Redactions that are drawn over pages, and the truth about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image

from tests.support.redacted_pages import text_page
from vqaops.training.redactions import passages
from vqaops.training.redactions.brushes import BRUSHES
from vqaops.training.redactions.canvas import Canvas
from vqaops.training.redactions.distractors import DISTRACTORS, draw_distractor
from vqaops.training.redactions.layout import find_layout
from vqaops.training.redactions.passages import PASSAGES, lines, whole_page
from vqaops.training.redactions.samples import Sample, draw_sample
from vqaops.training.redactions.scans import scan

PAGE = np.asarray(text_page())
PLACE = (200, 402, 700, 436)


def test_an_example_depends_on_its_seed_alone():
    first, again = (draw_sample(PAGE, default_rng(7)) for _ in range(2))
    assert np.array_equal(first.page, again.page)
    assert first.redactions == again.redactions


@pytest.mark.parametrize("kind", BRUSHES)
def test_a_redaction_changes_the_page_and_is_marked_within_its_box(kind: str):
    canvas = Canvas.over(PAGE)
    BRUSHES[kind](default_rng(1))(canvas, PLACE)
    left, top, right, bottom = canvas.truth.getbbox() or (0, 0, 0, 0)
    assert left >= PLACE[0]
    assert top >= PLACE[1]
    assert right <= PLACE[2]
    assert bottom <= PLACE[3]
    assert np.asarray(canvas.truth.crop(PLACE)).mean() > 0.8 * 255
    assert not np.array_equal(np.asarray(canvas.page), PAGE)


@pytest.mark.parametrize("kind", DISTRACTORS)
def test_a_distractor_is_drawn_and_is_no_redaction(kind: str):
    canvas, rng = Canvas.over(PAGE), default_rng(2)
    while not canvas.distractors:
        draw_distractor(canvas, kind, rng)
    assert canvas.truth.getbbox() is None
    assert not np.array_equal(np.asarray(canvas.page), PAGE)


def test_the_lines_of_a_page_are_found():
    layout = find_layout(PAGE)
    assert len(layout.lines) == 36
    assert len(layout.words) > 3 * 36


@pytest.mark.parametrize("name", PASSAGES)
def test_a_passage_is_on_the_page(name: str):
    canvas, rng = Canvas.over(PAGE), default_rng(3)
    while not any(mark.kind == "photograph" for mark in canvas.distractors):
        draw_distractor(canvas, "photograph", rng)
    bars = [bar for _ in range(20) for bar in PASSAGES[name](canvas, find_layout(PAGE), rng)]
    assert bars
    assert all(left < right and top < bottom for left, top, right, bottom in bars)


def test_bullets_and_single_letters_are_no_words_to_redact():
    page = np.full((300, 400), 255, np.uint8)
    page[100:116, 50:66] = 0  # a bullet
    page[100:116, 200:260] = 0
    assert find_layout(page).words == [(200, 100, 260, 116)]


def test_only_a_black_page_is_redacted_from_edge_to_edge():
    canvas, rng = Canvas.over(PAGE), default_rng(5)
    height, width = PAGE.shape
    inside = [bar for _ in range(40) for bar in whole_page(canvas, rng, to_edges=False)]
    assert all(left > 0 and top > 0 and right < width and bottom < height for left, top, right, bottom in inside)
    assert (0, 0, width, height) in [bar for _ in range(40) for bar in whole_page(canvas, rng, to_edges=True)]


def test_large_passages_make_large_redactions():
    def typical_size(weights: Sequence[float]) -> float:
        samples = [draw_sample(PAGE, default_rng(n), redacted=1.0, passage_weights=weights) for n in range(12)]
        places = [mark.place for sample in samples for mark in sample.redactions]
        return float(np.median([(right - left) * (bottom - top) for left, top, right, bottom in places]))

    assert typical_size(passages.LARGE) > 3 * typical_size(passages.WEIGHTS)


def test_a_large_box_with_round_corners_is_no_ellipse():
    canvas = Canvas.over(PAGE)
    BRUSHES["rounded"](default_rng(1))(canvas, (100, 100, 1100, 1600))
    assert np.asarray(canvas.truth.crop((100, 100, 1100, 1600))).mean() > 0.99 * 255


def test_a_blank_page_has_no_lines_to_redact():
    blank = np.full((300, 200), 255, np.uint8)
    canvas, layout, rng = Canvas.over(blank), find_layout(blank), default_rng(0)
    assert lines(canvas, layout, rng) == []
    assert whole_page(canvas, rng, to_edges=False)


def test_the_truth_moves_with_a_tilted_scan():
    canvas, rng = Canvas.over(PAGE), default_rng(4)
    BRUSHES["black"](rng)(canvas, PLACE)
    for _ in range(6):
        scanned = scan(canvas, rng)
        dark = np.asarray(scanned.page.crop(scanned.truth.getbbox()), float)
        marked = np.asarray(scanned.truth.crop(scanned.truth.getbbox())) > 128
        assert dark[marked].mean() < 90


def test_redactions_do_not_overlap():
    for seed in range(8):
        sample = draw_sample(PAGE, default_rng(seed), redacted=1)
        places = [mark.place for mark in sample.redactions if not sample.scanned]
        for number, one in enumerate(places):
            for other in places[number + 1 :]:
                assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_typed_pages_are_made_without_any_document():
    sample = draw_sample(None, default_rng(11))
    assert isinstance(sample, Sample)
    assert sample.page.shape == sample.truth.shape
    assert Image.fromarray(sample.page).getextrema()[0] < 60


def test_only_the_given_kinds_of_distractors_are_drawn():
    samples = [draw_sample(None, default_rng(seed), distractors=("table",)) for seed in range(4)]
    assert {mark.kind for sample in samples for mark in sample.distractors} == {"table"}


@pytest.mark.parametrize(("kind", "boxes"), [("white with outline", 2), ("black", 1), ("translucent", 1)])
def test_bars_that_touch_are_one_box_unless_an_outline_divides_them(
    kind: str, boxes: int, monkeypatch: pytest.MonkeyPatch
):
    bars = [(160, 167, 700, 207), (160, 207, 700, 247)]
    monkeypatch.setattr(passages, "PASSAGES", {"lines": lambda *_: bars})
    styles = [float(kind == name) for name in BRUSHES]
    # A bar does not end within a distractor, unless that is a table.
    samples = [draw_sample(PAGE, default_rng(n), 1, styles, ("table",), (1.0,)) for n in range(8)]
    assert {len(sample.redactions) for sample in samples if not sample.scanned} == {boxes}
