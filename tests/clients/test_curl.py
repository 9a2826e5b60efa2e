"""curl: a form, an upload that gets the recipe's default question, and SageMaker's /invocations."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pictures import as_base64, encoded
from tests.support.recipes import RecipeMaker
from vqaops.server.server import Server


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    return serve(make_recipe(handler='  question: "what is in the picture?"\n'))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    file.write_bytes(encoded("blue"))
    return file


def curl(server: Server, path: str, *arguments: object) -> dict:
    url = f"{server.client.addresses.inference}{path}"
    command = ["curl", "-s", "-H", f"@{server.auth_header}", *map(str, arguments), url]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_form(server: Server, picture: Path):
    reply = curl(server, "/predictions/dummy", "-F", f"image=@{picture}", "-F", "question=what?")
    assert reply["answer"] == "4x3 #0000ff: what?"


def test_an_upload_gets_the_recipes_default_question(server: Server, picture: Path):
    assert curl(server, "/predictions/dummy", "-T", picture)["answer"] == "4x3 #0000ff: what is in the picture?"


def test_two_files_of_one_name_are_refused(server: Server, picture: Path):
    reply = curl(server, "/predictions/dummy", "-F", f"image=@{picture}", "-F", f"image=@{picture}")
    assert (reply["code"], reply["type"]) == (400, "BadRequest")
    assert "more than one value for the field 'image'" in reply["message"]


def test_an_url_encoded_form(server: Server):
    fields = ["--data-urlencode", f"image={as_base64(encoded())}", "--data-urlencode", "question=größe?"]
    assert curl(server, "/predictions/dummy", *fields)["answer"] == "4x3 #ff0000: größe?"


def test_json_that_gzip_has_compressed(server: Server, tmp_path: Path):
    body = tmp_path / "body.json.gz"
    body.write_bytes(gzip.compress(json.dumps({"image": as_base64(encoded()), "question": "q"}).encode()))
    sent = ["-H", "content-type: application/json", "-H", "content-encoding: gzip", "--data-binary", f"@{body}"]
    assert curl(server, "/predictions/dummy", *sent)["answer"] == "4x3 #ff0000: q"


def test_a_form_that_torchserve_itself_cannot_read(server: Server, tmp_path: Path):
    parts = [('name="question"', b"q"), ('name="image"; filename="a.png"', encoded())]
    heads = [(f"--b  \r\nContent-Disposition: form-data; {head}\r\n\r\n".encode(), value) for head, value in parts]
    body = tmp_path / "form.gz"
    body.write_bytes(gzip.compress(b"a preamble\r\n" + b"".join(h + v + b"\r\n" for h, v in heads) + b"--b--"))
    sent = ["-H", "content-type: Multipart/Form-Data; Boundary=b", "-H", "content-encoding: gzip"]
    assert curl(server, "/predictions/dummy", *sent, "--data-binary", f"@{body}")["answer"] == "4x3 #ff0000: q"


def test_json_from_a_file_under_another_content_type(server: Server, tmp_path: Path):
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"image": as_base64(encoded()), "question": "q"}))
    assert (
        curl(server, "/predictions/dummy", "-H", "content-type: text/plain", "--data-binary", f"@{body}")["answer"]
        == "4x3 #ff0000: q"
    )


def test_invocations_with_parameters_in_the_query(server: Server, picture: Path):
    path = "/invocations?model_name=dummy&top_k=1"
    reply = curl(server, path, "-F", f"image=@{picture}", "-F", "question=what?")
    assert reply["answers"] == [{"answer": "4x3 #0000ff: what?", "score": 0.5}]
