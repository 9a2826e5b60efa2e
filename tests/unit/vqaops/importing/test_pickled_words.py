"""Vocabularies in pickles."""

from __future__ import annotations

import argparse
import collections
import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from vqaops.importing.pickled_words import read_words
from vqaserve.errors import RecipeError

WORDS = {"<PAD>": 0, "<UNK>": 1, "what": 2}


class Words(dict[str, int]):
    pass


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "words",
    [
        WORDS,
        collections.OrderedDict(WORDS),
        collections.Counter(WORDS),
        collections.defaultdict(int, WORDS),
        {word: np.int64(number) for word, number in WORDS.items()},
        {word: np.uint16(number) for word, number in WORDS.items()},
        {word: np.dtype(">i4").type(number) for word, number in WORDS.items()},
        {np.str_(word): number for word, number in WORDS.items()},
    ],
    ids=["dict", "OrderedDict", "Counter", "defaultdict", "int64", "uint16", "big-endian", "numpy text"],
)
def test_every_kind_of_dictionary_and_number_is_read(tmp_path: Path, words: dict[str, int], protocol: int):
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(words, protocol))
    assert read_words(tmp_path / "vocab.pkl") == WORDS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (["what"], "holds a list, not a dictionary from words to numbers; save the dictionary alone"),
        (argparse.Namespace(stoi=WORDS), r"holds an object of argparse\.Namespace, not a dictionary; save the dict"),
        (Words(WORDS), r"holds an object of .*\.Words, not a dictionary; save the dictionary alone: pickle\.dump\("),
        ({"what": True}, "maps 'what' to True; a vocabulary maps words to whole numbers"),
        ({"what": 1.0}, "maps 'what' to 1.0; a vocabulary"),
        ({"what": np.float32(1)}, "maps 'what' to 1.0; a vocabulary"),
        ({1: "what"}, "maps 1 to 'what'; a vocabulary"),
        ({"what": {"is": 1}}, "maps 'what' to {'is': 1}; a vocabulary"),
        ({"what": None}, "maps 'what' to None; a vocabulary"),
        ({"what": Path("x")}, r"maps 'what' to an object of pathlib\..*; a vocabulary"),
        (
            {"what": torch.tensor(3)},
            r"maps 'what' to an object of torch\.Tensor; a vocabulary .*int\(number\) for word",
        ),
        ({"what": torch.tensor([3])}, r"maps 'what' to an object of torch\.Tensor; a vocabulary .*int\(number\)"),
        ({"what": np.arange(2)}, r"maps 'what' to an object of numpy\.ndarray; a vocabulary .*int\(number\)"),
        ({"\ud800": 0}, r"holds the word '\\ud800', which is not Unicode text"),
        ({"word2idx": WORDS}, r"maps 'word2idx' to \{.*\}; a vocabulary maps words to whole numbers: save the dict"),
    ],
)
def test_a_pickle_that_is_not_a_vocabulary_is_refused_with_advice(tmp_path: Path, content: object, message: str):
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(RecipeError, match=message):
        read_words(tmp_path / "vocab.pkl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer, not the file itself"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b'{"what": 2}', "JSON text"),
        (b"what\nis\n", "it is text"),
        ("what\n".encode("utf-16"), "it is text in UTF-16"),
        (b"\xef\xbb\xbf" + pickle.dumps(WORDS), "its bytes are no pickle"),
        (bytes(100), "its bytes are no pickle"),
        (pickle.dumps(WORDS)[:20], "pickle exhausted"),
        (gzip.compress(pickle.dumps(WORDS), mtime=0), "compressed with gzip: unpack it first"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "vocab.pkl").write_bytes(content)
    with pytest.raises(RecipeError, match=rf"vocab\.pkl is not a pickled dictionary \(.*{message}"):
        read_words(tmp_path / "vocab.pkl")
