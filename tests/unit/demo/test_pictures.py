from __future__ import annotations

from pathlib import Path

import pytest

from demo.pictures import PictureProblem, read_picture
from tests.support.pictures import encoded


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
