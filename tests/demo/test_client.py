"""Programs ask the page through Gradio's own client."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file

from tests.demo.conftest import SAMPLES
from tests.support.chat_pages import chat_page
from tests.support.pictures import encoded
from vqaops.server.server import Server

CIRCLE = SAMPLES / "blue-circle.jpg"
Asker = Callable[..., list[str]]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Asker]]:
    """Connects Gradio's client to a page; what it returns asks, and gives the replies of the question as text."""
    made: list[Client] = []

    def connect(url: str, **headers: str) -> Asker:
        client = Client(url, headers=headers, verbose=False, analytics_enabled=False, download_files=str(tmp_path))
        made.append(client)
        history: list[Any] = []

        def ask(text: str, *pictures: Path, model: str | None = None) -> list[str]:
            nonlocal history
            message = {"text": text, "files": [handle_file(picture) for picture in pictures]}
            known = len(history)
            _, history = client.predict(message=message, history=history, model=model, api_name="/chat")
            return [_text(one) for one in history[known:] if one["role"] == "assistant"]

        return ask

    yield connect
    for client in made:
        client.close()


def _text(message: dict[str, Any]) -> str:
    """What a person reads of a message."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", message["content"][0]["value"])).split())


def test_a_program_asks_and_asks_again_about_the_same_picture(program: Callable[..., Asker], page_url: str):
    ask = program(page_url)
    assert ask("what shape is in the image?", CIRCLE)[0].startswith("circle very sure, 100%")
    assert ask("what color is the shape?")[0].startswith("blue very sure, 100%")


def test_a_program_chooses_a_model_and_hears_of_one_that_is_not_served(program: Callable[..., Asker], page_url: str):
    ask = program(page_url)
    assert ask("what shape is in the image?", CIRCLE, model="shapes/1.0.0")[0].startswith("circle")
    assert ask("what shape is in the image?", model="shapes/9.0.0") == [
        "This model is not served any more. Please choose another one."
    ]


def test_each_person_has_an_own_conversation(program: Callable[..., Asker], page_url: str):
    first, second = program(page_url), program(page_url)
    assert first("what shape is in the image?", CIRCLE)[0].startswith("circle")
    assert second("what shape is in the image?")[0].startswith("Please add a picture first")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture", "This file cannot be read as a picture."),
        (b"", "This file cannot be read as a picture."),
        (encoded() + bytes(26 * 2**20), "This picture has 26 MB, and at most 24 MB can be sent."),
    ],
    ids=["text", "empty", "too large"],
)
def test_a_file_that_the_server_would_refuse_is_not_sent(
    program: Callable[..., Asker], page_url: str, tmp_path: Path, content: bytes, said: str
):
    file = tmp_path / "picture.jpg"
    file.write_bytes(content)
    assert [reply.startswith(said) for reply in program(page_url)("what shape is it?", file)] == [True]


def test_a_question_that_the_server_refuses_is_answered_with_its_reason(program: Callable[..., Asker], page_url: str):
    (reply,) = program(page_url)("why? " * 200, CIRCLE)
    assert reply.startswith("The server cannot answer this:")
    assert "characters" in reply
    assert "Traceback" not in reply


@pytest.fixture(scope="module")
def strict_url(shapes_server: Server) -> Iterator[str]:
    """A page that takes two questions a minute, and trusts a proxy."""
    with chat_page(shapes_server.run, "--per-minute", "2", "--trust-proxy") as url:
        yield url


def test_who_asks_too_much_is_told_how_long_to_wait_and_others_are_not_concerned(
    program: Callable[..., Asker], strict_url: str
):
    eager = program(strict_url, **{"X-Forwarded-For": "192.0.2.1"})
    replies = eager("what shape is in the image?\nwhat color is the shape?\nis there a circle?", CIRCLE)
    assert "circle very sure" in replies[0]
    assert "blue very sure" in replies[1]
    assert re.fullmatch(r"You can ask 2 questions a minute\. Please ask again in [1-9]\d? seconds?\.", replies[2])
    other = program(strict_url, **{"X-Forwarded-For": "192.0.2.2"})
    assert other("what shape is in the image?", CIRCLE)[0].startswith("circle")


def test_nobody_gets_more_questions_by_writing_the_proxys_header(program: Callable[..., Asker], shapes_server: Server):
    with chat_page(shapes_server.run, "--per-minute", "1") as url:
        first, again = (program(url, **{"X-Forwarded-For": f"192.0.2.{number}"}) for number in (1, 2))
        assert first("what shape is in the image?", CIRCLE)[0].startswith("circle")
        assert again("what shape is in the image?", CIRCLE)[0].startswith("You can ask 1 question a minute.")
