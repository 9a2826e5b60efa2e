from __future__ import annotations

from pathlib import Path

import pytest

from vqaops.questions import Question
from vqaops.training.vocabulary import build_answers, build_tokenizer
from vqaserve.errors import RecipeError
from vqaserve.families.modular.files import read_answers


def test_a_tokenizer_knows_the_training_words_and_calls_others_unknown():
    examples = [Question(Path("a"), "what is on the Sofa ?", ("cup",))]
    tokenizer = build_tokenizer("words", examples)
    assert tokenizer.encode("What is on the sofa?").tokens == ["what", "is", "on", "the", "sofa", "?"]
    assert tokenizer.encode("zebra \U0001f600").tokens == ["[UNK]", "[UNK]"]


@pytest.mark.parametrize("answer", ["", "a\nb", "a\n", "a\r", "\ufeffa"])
def test_an_answer_that_is_not_one_line_is_refused_with_its_place(answer: str):
    questions = [Question(Path("a"), "what ?", ("cup", answer), "train.jsonl:17")]
    with pytest.raises(RecipeError, match=r"train.jsonl:17: the answer .* cannot be used; an answer is one line"):
        build_answers(questions)


@pytest.mark.parametrize("answer", ["a\u2028b", "a\x85b", "a\x0cb", "a\rb", " a ", "é", "a, b"])
def test_any_other_answer_comes_back_from_the_file_of_answers(tmp_path: Path, answer: str):
    answers = build_answers([Question(Path("a"), "what ?", (answer, "cup"))])
    (tmp_path / "answers.txt").write_text("\n".join(answers) + "\n", encoding="utf-8", newline="")
    assert read_answers(tmp_path / "answers.txt") == answers


def test_the_most_frequent_answer_is_the_first():
    questions = [Question(Path("a"), "what ?", answers) for answers in (("cup",), ("book", "cup"), ("lamp",))]
    assert build_answers(questions) == ["cup", "book", "lamp"]
