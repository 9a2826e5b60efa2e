from __future__ import annotations

from collections import Counter
from io import BytesIO
from itertools import islice

import numpy as np
from PIL import Image

from loadtest.bench.mixes import IN_A_ROW, Zipf, all_pairs, chat, unique
from loadtest.bench.pictures import PHOTO, new_file, photographs, shots

PAIRS = all_pairs(photographs(3))


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(file)).convert("RGB"))


def test_a_new_file_has_other_bytes_and_the_same_pixels():
    photograph = PAIRS[0].photograph
    first, second = new_file(photograph), new_file(photograph)
    assert len({photograph, first, second}) == 3
    assert np.array_equal(pixels(first), pixels(photograph))


def test_photographs_are_the_same_at_each_call_and_of_a_cameras_size():
    assert photographs(3) == [PAIRS[0].photograph, PAIRS[8].photograph, PAIRS[16].photograph]
    assert Image.open(BytesIO(PAIRS[0].photograph)).size == PHOTO
    assert 40_000 < np.mean([len(file) for file in photographs(12)]) < 80_000


def test_shots_are_other_files_of_the_same_scenes_and_the_same_at_each_call():
    scenes = photographs(3)
    first, second = islice(shots(scenes), 2)
    assert [first, second] == list(islice(shots(scenes), 2))
    assert len({*scenes, *first, *second}) == 9
    apart = [[np.abs(pixels(scene) - pixels(shot).astype(float)).mean() for scene in scenes] for shot in first]
    assert np.argmin(apart, axis=1).tolist() == [0, 1, 2]


def test_unique_never_sends_a_file_twice_and_asks_every_pair():
    asks = list(islice(unique(PAIRS), 2 * len(PAIRS)))
    assert len({ask.image for ask in asks}) == len(asks)
    assert Counter(ask.pair.number for ask in asks) == {pair.number: 2 for pair in PAIRS}


def test_chat_asks_eight_different_questions_about_a_picture_and_then_takes_a_new_one():
    asks = list(islice(chat(PAIRS), 4 * IN_A_ROW))
    rows = [asks[start : start + IN_A_ROW] for start in range(0, len(asks), IN_A_ROW)]
    assert all(len({ask.image for ask in row}) == 1 for row in rows)
    assert all(len({ask.pair.question for ask in row}) == IN_A_ROW for row in rows)
    assert len({row[0].image for row in rows}) == 4


def test_zipf_asks_the_most_popular_pair_twice_as_often_as_the_next():
    zipf = Zipf(PAIRS)
    drawn = Counter((ask.image, ask.pair.question) for ask in islice(zipf(PAIRS), 40_000))
    (_, first), (_, second), (_, third) = drawn.most_common(3)
    assert 1.8 < first / second < 2.2
    assert 2.6 < first / third < 3.4
