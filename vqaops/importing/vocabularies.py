"""The chat app's vocabularies and answer lists, converted to the files of family ``modular``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from vqaops.importing.pickled_words import read_words
from vqaserve.errors import RecipeError
from vqaserve.families.modular.files import check_answers, read_tokenizer
from vqaserve.text_files import read_lines

UNKNOWN = "<UNK>"
APP_TOKENS = 32
"""The newer app truncates and pads questions to this length, for BERT with ``[CLS]`` and ``[SEP]``."""


def read_vocabulary(path: Path) -> Tokenizer:
    """Load a tokenizer from ``vocab.pkl``, or for BERT from ``vocab.txt`` or ``tokenizer.json``.

    Raises:
        RecipeError: The file is missing or damaged, or its suffix is unknown.
    """
    if path.suffix not in READERS:
        raise RecipeError(f"{path} has the suffix {path.suffix!r}; a vocabulary has one of {', '.join(READERS)}")
    return READERS[path.suffix](path)


def read_answer_space(path: Path) -> list[str]:
    """Load the answers, lower-cased and stripped as in the chat app; a line's number is its class.

    Raises:
        RecipeError: The file is missing or is not UTF-8, or a line is empty or a repetition.
    """
    answers = [line.strip().lower() for line in read_lines(path)]
    while answers and not answers[-1]:
        answers.pop()
    return check_answers(answers, str(path))


def white_space_tokenizer(words: dict[str, int], source: str = "the vocabulary") -> Tokenizer:
    """A tokenizer that looks up the words of ``question.lower().split()``.

    If no word of the vocabulary ends in a question mark, question marks at the end are dropped. Such a model was
    trained without them, and would read ``desk?`` as one unknown word.

    Raises:
        RecipeError: The numbers are not 0, 1, 2, ..., or the vocabulary has no ``<UNK>``.
    """
    if sorted(words.values()) != list(range(len(words))):
        raise RecipeError(f"{source} numbers its {len(words)} words, but not from 0 to {len(words) - 1}, each once")
    if UNKNOWN not in words:
        raise RecipeError(f"{source} has no {UNKNOWN}, the entry for unknown words")
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    # `str.split` also splits at these four control characters; the tokenizers library does not.
    steps = [normalizers.Replace(Regex("[\x1c-\x1f]"), " "), normalizers.Lowercase()]
    if not any(word.endswith("?") for word in words):
        steps.append(normalizers.Replace(Regex(r"(?<=[^\s?])[\s?]+$"), ""))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def pad_as_app(tokenizer: Tokenizer) -> None:
    """Pad every question as the newer app does, so that the model reads the padding as words.

    Raises:
        RecipeError: The vocabulary has no entry for padding.
    """
    piece = next((piece for piece in ("<PAD>", "[PAD]") if tokenizer.token_to_id(piece) is not None), None)
    if piece is None:
        raise RecipeError("the vocabulary has neither <PAD> nor [PAD], which --keep-padding needs")
    tokenizer.enable_padding(length=APP_TOKENS, pad_id=tokenizer.token_to_id(piece), pad_token=piece)


def word_piece_tokenizer(path: Path) -> Tokenizer:
    """Load BERT's uncased tokenizer from its ``vocab.txt``, one word piece a line.

    Raises:
        RecipeError: The file is missing, is not UTF-8, has no ``[CLS]``, ``[SEP]`` or ``[UNK]``, or a line twice.
    """
    numbers: dict[str, int] = {}
    for number, piece in enumerate(read_lines(path)):
        if piece in numbers:
            raise RecipeError(
                f"{path}:{number + 1} names the word piece {piece!r:.60} again, after line {numbers[piece] + 1}; a "
                "vocabulary names each once"
            )
        numbers[piece] = number
    missing = [piece for piece in ("[CLS]", "[SEP]", "[UNK]") if piece not in numbers]
    if missing:
        raise RecipeError(f"{path} has no {', '.join(missing)}; it is not a BERT vocabulary")
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"]))
    tokenizer.enable_truncation(APP_TOKENS)
    return tokenizer


def _whole_tokenizer(path: Path) -> Tokenizer:
    tokenizer = read_tokenizer(path)
    tokenizer.no_padding()  # family modular pads and masks by itself
    tokenizer.enable_truncation(APP_TOKENS)
    return tokenizer


READERS: dict[str, Callable[[Path], Tokenizer]] = {
    ".pkl": lambda path: white_space_tokenizer(read_words(path), str(path)),
    ".txt": word_piece_tokenizer,
    ".json": _whole_tokenizer,
}
"""Readers by file suffix."""
