from __future__ import annotations

import json
from pathlib import Path

import pytest

from vqaops.questions import parse_questions, read_questions, read_samples
from vqaserve.errors import RecipeError


def record(**changes: object) -> str:
    line = {"image": "a.png", "question": "what color is it?", "answers": ["red"]} | changes
    return json.dumps(line, ensure_ascii=False)


def questions_file(folder: Path, content: bytes | str) -> Path:
    (folder / "a.png").touch()
    file = folder / "questions.jsonl"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_every_line_is_a_question_that_knows_its_line(tmp_path: Path):
    file = questions_file(tmp_path, f"{record()}\n{record(question='what?', answers=['cup', 'mug'])}\n")
    first, second = read_questions(file, tmp_path)
    assert (first.image, first.text, first.answers) == (tmp_path / "a.png", "what color is it?", ("red",))
    assert (second.text, second.answers, second.source) == ("what?", ("cup", "mug"), f"{file}:2")


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85"])
@pytest.mark.parametrize("key", ["question", "answers", "note"])
def test_a_character_that_json_allows_in_a_string_ends_no_line(tmp_path: Path, character: str, key: str):
    text = f"a{character}b"
    (question,) = read_questions(
        questions_file(tmp_path, record(**{key: [text] if key == "answers" else text})), tmp_path
    )
    assert text in (question.text, *question.answers, text if key == "note" else "")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + record().encode() + b"\n",
        record().encode() + b"\r\n",
        record().encode(),
        b"\n\r\n" + record().encode() + b"\n  \n\n",
        record(question_id=7, image_id=1, confidence=0.5).encode(),
    ],
    ids=["byte order mark", "CRLF", "no line feed at the end", "empty lines", "keys of other tools"],
)
def test_what_other_tools_write_around_a_question_is_passed_over(tmp_path: Path, content: bytes):
    (question,) = read_questions(questions_file(tmp_path, content), tmp_path)
    assert question.text == "what color is it?"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "is not JSON (Expecting property name enclosed in double quotes at column 2)"),
        ("image,question,answers", "is not JSON (Expecting value at column 1)"),
        (f"{record()},", "is not JSON (Extra data"),
        ("[" * 100_000, "is not JSON"),
        (f"[{record()}]", "the line: Input should be a valid dictionary"),
        ("null", "the line: "),
        ('{"image": "a.png", "question": "what?"}', "answers: Field required"),
        (record(answers=[]), "answers: List should have at least 1 item"),
        (record(answers="red"), "answers: Input should be a valid list"),
        (record(answers=[7]), "answers.0: Input should be a valid string"),
        (record(question=None), "question: Input should be a valid string"),
        (record(image=""), "image: String should have at least 1 character"),
        ('{"image": "\\ud800", "question": "what?", "answers": ["a"]}', "image: "),
    ],
)
def test_a_faulty_line_is_named_with_what_is_wrong_and_what_a_line_is(tmp_path: Path, line: str, fault: str):
    file = questions_file(tmp_path, f"{record()}\n" * 16 + f"{line}\n{record()}\n")
    with pytest.raises(RecipeError) as raised:
        read_questions(file, tmp_path)
    message = str(raised.value)
    assert message.startswith(f"{file}:17")
    assert fault in message
    assert 'a line is an object such as {"image": "kitchen.jpg"' in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["none.png", "b" * 300 + ".png", "nul\0.png", "folder", "../../none/a.png"])
def test_a_missing_picture_is_named_with_its_line(tmp_path: Path, name: str):
    (tmp_path / "folder").mkdir()
    file = questions_file(tmp_path, f"{record()}\n{record(image=name)}\n")
    with pytest.raises(RecipeError, match=r"the picture .* is missing") as raised:
        read_questions(file, tmp_path)
    assert str(raised.value).startswith(f"{file}:2: ")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"])
def test_a_file_without_questions_is_refused(tmp_path: Path, content: bytes):
    with pytest.raises(RecipeError, match="has no questions; each line is an object such as"):
        read_questions(questions_file(tmp_path, content), tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_file_in_another_encoding_is_refused_by_name(tmp_path: Path, encoding: str):
    with pytest.raises(RecipeError, match="is UTF-16 or UTF-32 text; save it as UTF-8"):
        read_questions(questions_file(tmp_path, record().encode(encoding)), tmp_path)


def test_a_picture_may_stand_at_an_absolute_path(tmp_path: Path):
    picture = tmp_path / "elsewhere.png"
    picture.write_bytes(b"picture")
    (question,) = read_questions(questions_file(tmp_path, record(image=str(picture))), tmp_path / "images")
    assert question.read_image() == b"picture"


def test_a_picture_that_went_away_is_one_clear_line(tmp_path: Path):
    (question,) = read_questions(questions_file(tmp_path, record()), tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(RecipeError, match=r"questions.jsonl:1: the picture .*a.png cannot be read: No such file"):
        question.read_image()


def test_a_recipes_samples_are_beside_their_pictures(tmp_path: Path):
    (tmp_path / "samples").mkdir()
    questions_file(tmp_path / "samples", record())
    (sample,) = read_samples(tmp_path)
    assert sample.image == tmp_path / "samples" / "a.png"


def test_text_of_an_archive_is_parsed_without_its_pictures():
    (question,) = parse_questions(record(), "x.mar: samples/questions.jsonl", Path("samples"))
    assert (question.image.as_posix(), question.source) == ("samples/a.png", "x.mar: samples/questions.jsonl:1")


@pytest.mark.parametrize("line", ['{"image": "a.png", "question": "what?"}', record(answers=[])])
def test_a_sample_may_have_no_answers(tmp_path: Path, line: str):
    (tmp_path / "samples").mkdir()
    questions_file(tmp_path / "samples", line)
    (sample,) = read_samples(tmp_path)
    assert sample.answers == ()
