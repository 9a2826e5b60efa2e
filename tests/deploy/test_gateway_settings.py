"""gateway.yaml: what is allowed, and what nginx gets of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.gateways import ANSWER, RunningGateway, answer_of, ask, check_error
from tests.support.pictures import as_base64, encoded
from vqaops.errors import ServerError
from vqaops.gateway.rendering import escape
from vqaops.gateway.settings import GatewaySettings
from vqaops.server.ports import free_ports
from vqaops.server.server import Server


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("listen_http: ['0.0.0.0:8090']\n", "listen_http.0"),
        ("listen_http: ['10.0.0.1:8090']\n", "listen_http.0"),
        ("cors_allowed_origins: [https://app.example.org/]\n", "without a path"),
        ("cors_allowed_origins: ['https://*.example.org']\n", "without a path"),
        ("cors_allowed_origins: [null]\n", "cors_allowed_origins"),
        ("upstream_name: 'a.lan; evil'\n", "upstream_name"),
        ("upstreams: ['https://a.lan:1/path']\n", "upstreams.0"),
        ("predict_model: 'a b'\n", "holds a blank"),
        ("predict_model: 'a;b'\n", "holds ';'"),
        ("predict_model: '$uri'\n", "holds '\\$'"),
        ("predict_model: '{x}'\n", "holds '{'"),
        ("predict_model: 'größe'\n", "holds 'ö'"),
        ("predict_model: 100%\n", "holds '%'"),
        ("predict_model: ''\n", "is empty"),
        ("- listen\n", "the file: "),
        ("text\n", "the file: "),
        ("listen: [\n", "is not YAML"),
        ("burst: 1\nburst: 2\n", "appears twice"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name_and_what_is_allowed(tmp_path: Path, content: str, reason: str):
    file = tmp_path / "gateway.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ServerError, match=reason) as refused:
        GatewaySettings.read(file)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(("content", "reason"), [(None, "is a directory"), (b"burst: \xff\n", "is not UTF-8")])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None, reason: str):
    file = tmp_path / "gateway.yaml"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(ServerError, match=reason):
        GatewaySettings.read(file)


@pytest.mark.parametrize(
    "content", [b"", b"# only a comment\n", b"\xef\xbb\xbfburst: 60\r\n", b"burst: 60\r\nkeys: null\r\n"]
)
def test_byte_order_marks_line_ends_and_empty_files_are_no_settings(tmp_path: Path, content: bytes):
    (tmp_path / "gateway.yaml").write_bytes(content)
    assert GatewaySettings.read(tmp_path / "gateway.yaml") == GatewaySettings()


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("/srv/$HOME", "DOLLAR SIGN"),
        ("/srv/a\nb", "U\\+000A"),
        ("/srv/a\tb", "U\\+0009"),
        ("/srv/a\0b", "U\\+0000"),
        ("/srv/a\x7fb", "U\\+007F"),
    ],
)
def test_a_path_that_nginx_cannot_express_is_refused_with_the_character(text: str, character: str):
    with pytest.raises(ServerError, match=character):
        escape(text)


@pytest.mark.parametrize(
    "name",
    ["a b", 'say "hi", it\'s', "50% größe;{x}", "[y]back\\slash #1", "-dash,~"],
)
def test_a_gateway_runs_in_a_folder_of_any_name(
    torchserve: Server, new_gateway: Callable[..., RunningGateway], run_folder: Callable[[], Path], name: str
):
    folder = run_folder() / name
    own = new_gateway(torchserve.run, own_folder=folder, keys=str(folder / "the keys"))
    with own.client() as client:
        assert answer_of(ask(client)) == ANSWER
    assert own.nginx.process()
    assert own.nginx.stop()  # nginx writes a request's line after its reply
    assert "/predictions/dummy" in (folder / "logs" / "access.log").read_text()


def test_plain_http_on_loopback_for_a_proxy_that_ends_tls(
    torchserve: Server, new_gateway: Callable[..., RunningGateway], run_folder: Callable[[], Path]
):
    (port,) = free_ports(1)
    plain = new_gateway(torchserve.run, own_folder=run_folder(), listen_http=[f"127.0.0.1:{port}"])
    key = {"Authorization": f"Bearer {plain.key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=key, timeout=60, trust_env=False) as client:
        assert answer_of(ask(client)) == ANSWER
        check_error(client.get("/models"), 404)
        del client.headers["Authorization"]
        check_error(ask(client), 401)


def test_predict_is_the_model_that_the_settings_name(
    torchserve: Server, new_gateway: Callable[..., RunningGateway], run_folder: Callable[[], Path]
):
    own = new_gateway(torchserve.run, own_folder=run_folder(), predict_model="dummy")
    with own.client() as client:
        for path in ("/predict", "/predict/"):
            assert answer_of(client.post(path, json={"image": as_base64(encoded()), "question": "what?"})) == ANSWER
        assert check_error(client.post("/predict", json={"question": "what?"}), 422) == "MissingImage"
        remote = {"image_url": "https://photos.example.org/cat.jpg", "question": "what?"}
        assert check_error(client.post("/predict", json=remote), 422) == "InvalidImage"  # the recipe lists no hosts
        reply = client.get("/predict")
        check_error(reply, 405)
        assert reply.headers["allow"] == "POST"


def test_without_a_model_for_it_predict_is_404_with_the_setting(client: httpx.Client):
    reply = client.post("/predict", json={"question": "what?"})
    check_error(reply, 404)
    assert "predict_model" in reply.json()["message"]
