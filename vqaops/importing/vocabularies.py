"""Vocabularies and answer lists of the chat app, as the files that family ``modular`` reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from vqaops.importing.pickled_words import read_words
from vqaserve.errors import RecipeError
from vqaserve.families.modular.files import read_tokenizer
from vqaserve.text_files import read_lines

UNKNOWN = "<UNK>"
APP_TOKENS = 32
"""The newer app cuts a question here (for BERT ``[CLS]`` and ``[SEP]`` included), and pads it to here."""


def read_vocabulary(path: Path) -> Tokenizer:
    """A tokenizer from ``vocab.pkl`` (white-space words), or for BERT from ``vocab.txt`` or ``tokenizer.json``.

    Raises:
        RecipeError: The file is missing, or is not what its name's ending says.
    """
    if path.suffix not in READERS:
        raise RecipeError(f"{path} ends in {path.suffix!r}; a vocabulary ends in {', '.join(READERS)}")
    return READERS[path.suffix](path)


def read_answer_space(path: Path) -> list[str]:
    """The answers, lower-cased and stripped as the chat app reads them; a line's number is its class.

    Raises:
        RecipeError: The file is missing or not text.
    """
    answers = [line.strip().lower() for line in read_lines(path)]
    while answers and not answers[-1]:
        answers.pop()
    return answers


def white_space_tokenizer(words: dict[str, int]) -> Tokenizer:
    """Lower-case, split on white space, look up: word for word what ``question.lower().split()`` gives.

    A question mark at the end is dropped where the vocabulary never saw one: such a model was trained on questions
    without, and would read ``desk?`` as one unknown word.

    Raises:
        RecipeError: The numbers are not 0, 1, 2, ..., or there is no word for the unknown.
    """
    if sorted(words.values()) != list(range(len(words))):
        raise RecipeError(f"the vocabulary's numbers are not 0 to {len(words) - 1}, each once")
    if UNKNOWN not in words:
        raise RecipeError(f"the vocabulary has no {UNKNOWN}, which stands for every unknown word")
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    # Python splits at these four control characters too; the tokenizers library does not.
    steps = [normalizers.Replace(Regex("[\x1c-\x1f]"), " "), normalizers.Lowercase()]
    if not any(word.endswith("?") for word in words):
        steps.append(normalizers.Replace(Regex(r"(?<=[^\s?])[\s?]+$"), ""))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def pad_as_app(tokenizer: Tokenizer) -> None:
    """Make every question as long as the newer app makes it; the model then reads the padding as if it were words.

    Raises:
        RecipeError: The vocabulary has no word for padding.
    """
    piece = next((piece for piece in ("<PAD>", "[PAD]") if tokenizer.token_to_id(piece) is not None), None)
    if piece is None:
        raise RecipeError("the vocabulary has no <PAD> or [PAD] to pad with")
    tokenizer.enable_padding(length=APP_TOKENS, pad_id=tokenizer.token_to_id(piece), pad_token=piece)


def word_piece_tokenizer(path: Path) -> Tokenizer:
    """BERT's uncased tokenizer from its ``vocab.txt``, a piece a line.

    Raises:
        RecipeError: The file is missing, not text, or has no ``[CLS]``, ``[SEP]`` or ``[UNK]``.
    """
    pieces = read_lines(path)
    numbers = {piece: number for number, piece in enumerate(pieces)}
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
    tokenizer.no_padding()  # ours is masked
    tokenizer.enable_truncation(APP_TOKENS)
    return tokenizer


READERS: dict[str, Callable[[Path], Tokenizer]] = {
    ".pkl": lambda path: white_space_tokenizer(read_words(path)),
    ".txt": word_piece_tokenizer,
    ".json": _whole_tokenizer,
}
"""How a vocabulary is read, by its file name's ending."""
