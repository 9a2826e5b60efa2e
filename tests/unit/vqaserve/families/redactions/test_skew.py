"""Tilted pages are turned upright, and their boxes come back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.support.redacted_pages import line_place, redacted, text_page
from vqaserve.families.redactions.outlines import Outline
from vqaserve.families.redactions.skew import Upright, find_skew


@pytest.mark.parametrize("degrees", [-1.5, -0.4, 0.3, 1.2])
def test_the_skew_of_a_page_is_found_to_a_tenth_of_a_degree(degrees: float):
    tilted = text_page().rotate(degrees, Image.Resampling.BILINEAR, fillcolor=255)
    assert abs(find_skew(tilted) + degrees) <= 0.1


@pytest.mark.parametrize("page", [text_page(), Image.new("L", (1240, 1754), 255), Image.new("L", (1240, 1754), 0)])
def test_a_level_page_stays_as_it_is(page: Image.Image):
    upright = Upright.of(page)
    assert upright.angle == 0
    assert upright.page is page


def test_noise_has_no_skew():
    noise = np.random.default_rng(0).integers(0, 256, (900, 700), np.uint8)
    assert find_skew(Image.fromarray(noise)) == 0


def test_a_box_of_the_upright_page_encloses_the_tilted_bar():
    place = line_place(12, 300, 1000)
    tilted = redacted(text_page(), [place]).rotate(1.0, Image.Resampling.BILINEAR, fillcolor=255)
    truth = redacted(Image.new("L", tilted.size, 0), [place], shade=255).rotate(1.0, Image.Resampling.BILINEAR)
    upright = Upright.of(tilted)
    box = upright.box(Outline(*place, 0.5), 0.9)
    width, height = tilted.size
    found = (box.left * width, box.top * height, box.right * width, box.bottom * height)
    assert np.abs(np.subtract(found, truth.getbbox() or ())).max() <= 3
    assert box.confidence == 0.9


def test_an_outline_is_found_again_from_its_place():
    upright = Upright(text_page(), -1.3)
    box = upright.box(Outline(200, 500, 900, 540, 0.5), 1.0)
    width, height = upright.page.size
    place = (round(box.left * width), round(box.top * height), round(box.right * width), round(box.bottom * height))
    again = upright.outline_of(place)
    assert np.abs(np.subtract((again.left, again.top, again.right, again.bottom), (200, 500, 900, 540))).max() <= 2
