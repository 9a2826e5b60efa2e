from __future__ import annotations

from collections import Counter
from itertools import islice

from loadtest.bench.mixes import CHAT_LENGTH, ZipfMix, chat, unique
from loadtest.bench.photographs import photographs
from loadtest.pairs import all_pairs

PAIRS = all_pairs(photographs(3))


def test_unique_never_sends_a_file_twice_and_asks_every_pair():
    requests = list(islice(unique(PAIRS), 2 * len(PAIRS)))
    assert len({request.image for request in requests}) == len(requests)
    assert Counter(request.pair.number for request in requests) == {pair.number: 2 for pair in PAIRS}


def test_chat_asks_eight_different_questions_about_a_picture_and_then_takes_a_new_one():
    requests = list(islice(chat(PAIRS), 4 * CHAT_LENGTH))
    rows = [requests[start : start + CHAT_LENGTH] for start in range(0, len(requests), CHAT_LENGTH)]
    assert all(len({request.image for request in row}) == 1 for row in rows)
    assert all(len({request.pair.question for request in row}) == CHAT_LENGTH for row in rows)
    assert len({row[0].image for row in rows}) == 4


def test_zipf_asks_the_most_popular_pair_twice_as_often_as_the_next():
    zipf = ZipfMix(PAIRS)
    drawn = Counter((request.image, request.pair.question) for request in islice(zipf(PAIRS), 40_000))
    (_, first), (_, second), (_, third) = drawn.most_common(3)
    assert 1.8 < first / second < 2.2
    assert 2.6 < first / third < 3.4
