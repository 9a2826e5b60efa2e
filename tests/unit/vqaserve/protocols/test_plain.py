from __future__ import annotations

import json

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, InvalidImage, InvalidQuestion, MissingImage, VqaError
from vqaserve.limits import Limits
from vqaserve.protocols.body import read_body
from vqaserve.protocols.plain import Plain
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Ranking, RemoteImage, Request, Turn

PNG = encoded()
B64 = as_base64(PNG)


SETTINGS = HandlerSettings(version="1.0.0", family="dummy", limits=Limits(max_questions=3))


def parse(**fields: object) -> list[Query]:
    return Plain().parse(read_body(Request("id", fields)), SETTINGS)


@pytest.mark.parametrize("name", ["image", "data"])
def test_a_form_with_a_file_and_a_question(name: str):
    assert parse(**{name: bytearray(PNG), "question": bytearray(b"what?"), "top_k": bytearray(b"3")}) == [
        Query(PNG, "what?", 3)
    ]


@pytest.mark.parametrize("image", [B64, f"data:image/png;base64,{B64}", "\n".join([B64[:20], B64[20:]])])
def test_flat_json_with_base64_or_a_data_uri(image: str):
    assert parse(body={"image": image, "question": "what?"}) == [Query(PNG, "what?")]


def test_json_under_any_content_type_is_read():
    assert parse(body=bytearray(json.dumps({"image": B64, "question": "q"}).encode())) == [Query(PNG, "q")]


def test_a_url_is_passed_on_to_be_fetched_or_refused():
    url = "https://images.example.org/x.png"
    assert parse(body={"image": url, "question": "q"}) == [Query(RemoteImage(url), "q")]


def test_several_questions_about_one_picture():
    assert parse(body={"image": B64, "questions": ["a", "b"]}) == [Query(PNG, "a"), Query(PNG, "b")]


def test_an_empty_field_of_a_form_counts_as_not_sent():
    empty = dict.fromkeys(["questions", "image_url", "top_k"], b"")
    assert parse(image=PNG, question=b"what?", **empty) == [Query(PNG, "what?")]


def test_several_questions_in_a_form_are_a_json_list():
    assert [query.question for query in parse(image=PNG, questions=b'["a", "b"]')] == ["a", "b"]


@pytest.mark.parametrize("in_a_form", [False, True])
def test_earlier_questions_and_answers_are_turns_of_a_conversation(in_a_form: bool):
    earlier = [{"question": "what?", "answer": "a cup"}]
    form = {"image": PNG, "question": b"color?", "conversation": json.dumps(earlier).encode()}
    body = {"body": {"image": B64, "question": "color?", "conversation": earlier}}
    (query,) = parse(**(form if in_a_form else body))
    assert query.question == "color?"
    turns = Turn("user", (0, "what?")), Turn("assistant", ("a cup",)), Turn("user", ("color?",))
    assert query.conversation == turns


def test_a_raw_picture_is_a_query_without_a_question():
    assert parse(body=bytearray(PNG)) == [Query(PNG)]


def test_query_parameters_of_invocations_are_fields_beside_the_body():
    assert parse(model_name="m", top_k="2", body={"image": B64, "question": "q"}) == [Query(PNG, "q", 2)]
    assert parse(model_name="m", question=b"q", body=bytearray(PNG)) == [Query(PNG, "q")]


def test_generation_parameters_are_passed_on():
    assert parse(body={"image": B64, "question": "q", "max_new_tokens": 5})[0].parameters == {"max_new_tokens": 5}


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"image": PNG, "conversation": b"what?"}, BadRequest, r"'conversation' is not JSON; send a list: "),
        ({"image": PNG, "conversation": b'[{"question": "q"}]'}, BadRequest, r"conversation\.0\.answer"),
        ({"body": bytearray(b"")}, MissingImage, "send it as the field 'image'"),
        ({"question": b"what?"}, MissingImage, "send it as the field 'image'"),
        ({"body": {"image": "***", "question": "q"}}, InvalidImage, "is not base64"),
        ({"body": {"image": "data:image/png;base64", "question": "q"}}, InvalidImage, "no comma before its data"),
        ({"body": {"image": 3, "question": "q"}}, BadRequest, "image: Input should be a valid string"),
        ({"body": {"image": B64, "qestion": "q"}}, BadRequest, "unknown field 'qestion'; did you mean 'question'?"),
        ({"body": {"image": B64, "question": "q", "zzz": 1}}, BadRequest, "unknown field 'zzz'; allowed: "),
        ({"body": {"image": B64, "question": "q", "questions": ["q"]}}, BadRequest, "send one of them"),
        ({"body": {"image": B64, "questions": []}}, InvalidQuestion, "has 0 questions"),
        ({"body": {"image": B64, "questions": ["q"] * 4}}, InvalidQuestion, "has 4 questions; 1 to 3 are allowed"),
        ({"body": [1, 2]}, BadRequest, "the body is a list; send one JSON object"),
        ({"body": bytearray(b'{"image": ')}, BadRequest, "the body is not JSON"),
        ({"body": bytearray(b"[" * 100_000)}, BadRequest, "the body is not JSON"),
        ({"body": "what?"}, BadRequest, "the body is text; send one JSON object"),
        ({"image": PNG, "question": b"\xff\xfe"}, BadRequest, "'question' is not UTF-8"),
        ({"question": PNG}, BadRequest, "'question' holds a file; send text there, and a picture as 'image'"),
        ({"image": PNG, "questions": b"a, b"}, BadRequest, "'questions' is not JSON"),
        ({"image": PNG, "question": b"q", "top_k": b"many"}, BadRequest, "top_k: .*valid integer"),
        ({"image": {"a": 1}, "question": b"q"}, BadRequest, "is not a file"),
        ({"image": PNG, "question": {"a": 1}}, BadRequest, "question: Input should be a valid string, got {'a': 1}"),
    ],
)
def test_unreadable_fields_are_refused_with_advice(fields: dict, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse(**fields)


def test_the_reply_has_the_answer_its_confidence_the_ranking_and_the_model():
    ranked = ({"answer": "red", "score": 0.9}, {"answer": "blue", "score": 0.1})
    item = Item("id", Query(PNG, "q"), ranked=Ranking("answer", ranked))
    reply = Plain().reply(Request("id", {}), [item], Model("m", "2.0.0"))
    assert json.loads(reply.body) == {
        "answer": "red",
        "confidence": 0.9,
        "answers": list(ranked),
        "model": {"name": "m", "version": "2.0.0"},
    }


def test_what_a_family_adds_to_its_best_answer_is_in_the_reply():
    item = Item(
        "id", Query(PNG, "q"), ranked=Ranking("answer", ({"answer": "red", "score": 0.9, "clip_similarity": 0.25},))
    )
    assert json.loads(Plain().reply(Request("id", {}), [item], Model("m", "1.0.0")).body)["clip_similarity"] == 0.25


def test_an_error_has_torchserves_three_keys():
    item = Item("id", error=InvalidQuestion("why"))
    reply = Plain().reply(Request("id", {}), [item], Model("m", "1.0.0"))
    assert reply.status == 422
    assert json.loads(reply.body) == {"code": 422, "type": "InvalidQuestion", "message": "why"}


URL = "https://images.example.org/a.png"


def test_a_request_with_the_pictures_address_is_answered_with_its_question():
    body = {"image_url": URL, "question": "what’s this?"}  # noqa: RUF001 - as it came
    assert parse(body=body) == [Query(RemoteImage(URL), body["question"])]
    item = Item(
        "id",
        Query(RemoteImage(URL), "what's this?"),
        ranked=Ranking("answer", ({"answer": "a cat", "score": 1.0, "clip_similarity": 0.3},)),
    )
    reply = json.loads(Plain().reply(Request("id", {"body": body}), [item], Model("m", "1.0.0")).body)
    assert {name: reply[name] for name in ("question", "answer", "clip_similarity")} == {
        "question": body["question"],
        "answer": "a cat",
        "clip_similarity": 0.3,
    }


@pytest.mark.parametrize("fields", [{"question": b"why?"}, {"question": "why?"}, {}])
def test_a_form_with_the_pictures_address_is_answered_with_its_question_or_the_recipes(fields: dict):
    item = Item("id", Query(RemoteImage(URL), "why?"), ranked=Ranking("answer", ({"answer": "a cat", "score": 1.0},)))
    reply = Plain().reply(Request("id", {"image_url": URL.encode(), **fields}), [item], Model("m", "1.0.0"))
    assert json.loads(reply.body)["question"] == "why?"


@pytest.mark.parametrize(
    ("image_url", "error", "message"),
    [
        (B64, BadRequest, "'image_url' is not a URL"),
        ("photos/cat.jpg", InvalidImage, "a file's name"),
        ("", MissingImage, "the request has no picture"),
        (7, BadRequest, "image_url: Input should be a valid string, got 7"),
    ],
)
def test_an_invalid_image_url_is_refused(image_url: object, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse(body={"image_url": image_url, "question": "q"})


@pytest.mark.parametrize("image_url", [URL, f"DATA:image/png;base64,{B64}"])
def test_an_address_may_come_in_a_form_or_be_a_data_uri(image_url: str):
    (query,) = parse(image_url=image_url.encode(), question=b"q")
    assert query.image == (RemoteImage(URL) if image_url == URL else PNG)


@pytest.mark.parametrize("value", [f"data:image/png;base64,{B64}".encode(), B64.encode(), URL.encode()])
def test_the_picture_of_a_form_may_be_text(value: bytes):
    (query,) = parse(image=value, question=b"q")
    assert query.image in (PNG, RemoteImage(URL))


@pytest.mark.parametrize("fields", [{"image": b"", "data": PNG}, {"image": b"", "image_url": b"", "data": PNG}])
def test_a_file_that_was_not_chosen_is_no_second_picture(fields: dict):
    assert parse(**fields, question=b"q") == [Query(PNG, "q")]
