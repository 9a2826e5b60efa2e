"""Predictions of a server that refuses a question, or that is not this project's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.pictures import encoded
from vqaops.errors import ServerError
from vqaops.evaluation.predictions import predict
from vqaops.questions import read_questions
from vqaops.server.client import Addresses, Client
from vqaops.server.retry import NEVER

ANSWER = {"answer": "red", "confidence": 0.5, "answers": [{"answer": "red", "score": 0.5}]}
REPLIES = {"good": (200, json.dumps(ANSWER)), "bad": (422, json.dumps({"code": 422, "message": "too long"}))}
"""The replies to a question with this word; any other is the reply itself."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).partition(b'name="question"\r\n\r\n')[2]
        question = body.partition(b"\r\n")[0].decode()
        status, text = REPLIES.get(question, (200, question))
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    entry = {"key": "abc"}
    (tmp_path / "key_file.json").write_text(json.dumps({"inference": entry, "management": entry}))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        addresses = Addresses(address, address, address)
        pool = addresses.pool()
        with pool:
            yield Client(addresses, tmp_path / "key_file.json", pool, NEVER)
        server.shutdown()


def ask(client: Client, folder: Path, questions: list[str], model: str = "m") -> list[str]:
    (folder / "a.png").write_bytes(encoded())
    lines = [json.dumps({"image": "a.png", "question": text, "answers": ["red"]}) for text in questions]
    (folder / "questions.jsonl").write_text("\n".join(lines))
    found = predict(client, model, read_questions(folder / "questions.jsonl", folder), 2)
    return [prediction.ranked[0] for prediction in found.predictions]


def test_a_question_that_is_refused_is_named_by_file_and_line(client: Client, tmp_path: Path):
    with pytest.raises(ServerError, match=r"questions\.jsonl:17: http.* answered 422: .*too long"):
        ask(client, tmp_path, ["good"] * 16 + ["bad", "good"])


@pytest.mark.parametrize("model", ["m", "[/]", "a b", "50%", "räume", "m/1.0.0", "a,b", "n" * 255])
def test_a_models_name_reaches_the_server_whatever_it_holds(client: Client, tmp_path: Path, model: str):
    assert ask(client, tmp_path, ["good", "good"], model) == ["red", "red"]


@pytest.mark.parametrize(
    "reply",
    ["red", "[1]", "<html>", "{}", '{"answers": [], "confidence": 1}', '{"answers": ["red"], "confidence": 1}'],
)
def test_a_reply_of_another_handler_is_refused_in_words(client: Client, tmp_path: Path, reply: str):
    with pytest.raises(ServerError, match=r"is no reply of this project's handler|holds no ranked answers"):
        ask(client, tmp_path, [reply])
