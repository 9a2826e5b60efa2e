from __future__ import annotations

from io import BytesIO
from itertools import islice

import numpy as np
from PIL import Image

from loadtest.bench.photographs import PHOTO, photographs, shots


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(file)).convert("RGB"))


def test_photographs_are_the_same_at_each_call_and_of_a_cameras_size():
    assert photographs(3) == photographs(3)
    assert Image.open(BytesIO(photographs(1)[0])).size == PHOTO
    assert 40_000 < np.mean([len(file) for file in photographs(12)]) < 80_000


def test_shots_are_other_files_of_the_same_scenes_and_the_same_at_each_call():
    scenes = photographs(3)
    first, second = islice(shots(scenes), 2)
    assert [first, second] == list(islice(shots(scenes), 2))
    assert len({*scenes, *first, *second}) == 9
    apart = [[np.abs(pixels(scene) - pixels(shot).astype(float)).mean() for scene in scenes] for shot in first]
    assert np.argmin(apart, axis=1).tolist() == [0, 1, 2]
