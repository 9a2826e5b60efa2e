from __future__ import annotations

import pytest

from tests.support.pictures import encoded
from vqaops.unseen_pictures import unseen_copy
from vqaserve.images import open_picture
from vqaserve.limits import Limits
from vqaserve.picture_formats import FORMATS


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_unseen_copy_has_other_bytes_and_the_same_pixels(file_format: str):
    picture = encoded("red", (16, 16), file_format)
    first, second = unseen_copy(picture), unseen_copy(picture)
    assert len({picture, first, second}) == 3
    pixels = {open_picture(file, Limits().pictures).pixels.tobytes() for file in (picture, first, second)}
    assert len(pixels) == 1


def test_the_same_tag_gives_the_same_copy():
    assert unseen_copy(b"picture", b"1") == unseen_copy(b"picture", b"1") != unseen_copy(b"picture", b"2")
