"""Mixes: which pairs a connection asks, in which order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from loadtest.pairs import Pair, PairRequest, RequestStream
from loadtest.zipf import zipf_weights
from vqaops.unseen_pictures import unseen_copy

CHAT_LENGTH = 8
"""Questions of a chat about one picture."""
CATALOGUE_SIZE = 200
"""Pairs in the catalogue of the ``zipf`` mix."""

Mix = Callable[[Sequence[Pair]], RequestStream]
"""Returns a new stream for one connection."""
_random = np.random.default_rng(0)


def unique(pairs: Sequence[Pair]) -> RequestStream:
    """Ask every pair in random order, each time with a picture that no cache has seen."""
    while True:
        for number in _random.permutation(len(pairs)):
            pair = pairs[number]
            yield PairRequest(pair, unseen_copy(pair.picture))


def chat(pairs: Sequence[Pair]) -> RequestStream:
    """Ask ``CHAT_LENGTH`` questions in a row about a new picture, then take the next picture."""
    chats = _by_picture(pairs)
    while True:
        for number in _random.permutation(len(chats)):
            image = unseen_copy(chats[number][0].picture)
            yield from (PairRequest(pair, image) for pair in chats[number])


class ZipfMix:
    """Asks pairs of a fixed catalogue by Zipf's law; the catalogue is the same for every connection and round."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        chats = itertools.islice(itertools.cycle(_by_picture(pairs)), CATALOGUE_SIZE // CHAT_LENGTH)
        images = [(chat, unseen_copy(chat[0].picture)) for chat in chats]
        requests = [PairRequest(pair, image) for chat, image in images for pair in chat]
        self._requests = [requests[number] for number in _random.permutation(len(requests))]
        weights = np.array(zipf_weights(len(requests)))
        self._probabilities = weights / weights.sum()

    def __call__(self, pairs: Sequence[Pair]) -> RequestStream:
        """Draw from the catalogue by popularity; ``pairs`` is not used."""
        del pairs
        while True:
            for number in _random.choice(len(self._requests), 64, p=self._probabilities):
                yield self._requests[number]


def _by_picture(pairs: Sequence[Pair]) -> list[Sequence[Pair]]:
    return [list(chat) for _, chat in itertools.groupby(pairs, key=lambda pair: pair.picture)]
