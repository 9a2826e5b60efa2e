from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from demo.pictures import FORMATS, PictureProblem, read_picture, suffix_of
from tests.support.pictures import animated, encoded


def test_a_picture_is_sent_as_it_is(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded())
    assert read_picture(tmp_path / "a.png", 1000) == encoded()


def test_a_picture_above_the_limit_is_refused_with_both_sizes(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded() + bytes(3 * 2**20))
    with pytest.raises(PictureProblem, match="has 3 MB, and at most 2 MB can be sent"):
        read_picture(tmp_path / "a.png", 2 * 2**20)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path):
    (tmp_path / "a.png").write_text("<svg/>")
    with pytest.raises(PictureProblem, match="cannot be read as a picture"):
        read_picture(tmp_path / "a.png", 1000)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_kept_under_the_suffix_of_its_format(kind: str):
    assert Image.registered_extensions()[suffix_of(encoded(file_format=kind))] == kind


def test_a_phones_jpeg_with_a_second_picture_in_it_is_kept_as_a_jpeg():
    assert suffix_of(animated(file_format="MPO")) == ".jpeg"
