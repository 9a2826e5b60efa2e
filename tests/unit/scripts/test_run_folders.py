"""Odd files in a run folder: every command says which one, in one line, and none of them ends in a traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import typer
from typer.testing import CliRunner, Result

from scripts import exporter, gateway, health, keys, models, serve, tokens
from vqaops.errors import ServerError
from vqaops.gateway.routes import Routes

APPS = {"models": models.app, "serve": serve.app, "tokens": tokens.app, "keys": keys.app, "gateway": gateway.app}
for module in (exporter, health):
    APPS[module.__name__.rpartition(".")[2]] = app = typer.Typer()
    app.command()(module.main)

COMMANDS = [
    ["models", "list"],
    ["models", "promote", "shapes", "1.0.0"],
    ["models", "canary", "shapes", "1.0.0", "--share", "10%"],
    ["tokens", "list"],
    ["tokens", "rotate"],
    ["health"],
    ["serve", "resume"],
    ["gateway", "start"],
    ["gateway", "reload"],
]
"""None of them can succeed without a server."""


def invoked(script: str, *words: object) -> Result:
    return CliRunner().invoke(APPS[script], [str(word) for word in words])


def refusal(done: Result) -> str:
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.strip().split("\n")
    return line


RECORDS = [
    "",
    "{",
    "null",
    "[" * 100_000,
    '{"pid": NaN, "created": 1}',
    '{"pid": Infinity, "created": 1}',
    '{"pid": -5, "created": 1}',
    '{"pid": 1e300, "created": 1}',
    '{"pid": 99999999999999999999, "created": 1}',
    '{"pid": 1, "created": null}',
    '{"pid": [1], "created": 1}',
    b"\xff\xfe{",
    json.dumps({"pid": os.getpid(), "created": psutil.Process().create_time() - 60}),
]
"""Contents of ``pid.json`` that name no server."""


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_a_record_that_names_no_server_is_no_server(tmp_path: Path, record: str | bytes):
    (tmp_path / "pid.json").write_bytes(record.encode() if isinstance(record, str) else record)
    for command in COMMANDS:
        refusal(invoked(*command, "--run", tmp_path))


NUMBERS = ["", "x", "-1", "99999999999999999999", "1e9", "\x00", str(os.getpid()), "1"]


@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
def test_a_pid_file_that_is_not_nginxs_is_no_gateway(tmp_path: Path, number: str):
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "nginx.pid").write_text(number)
    assert "no gateway was running" in invoked("gateway", "stop", "--run", tmp_path).output
    assert "no gateway runs in" in refusal(invoked("gateway", "reload", "--run", tmp_path))


def token_file(**kinds: object) -> str:
    entry = {"key": "abc", "expiration time": "2030-01-01T00:00:00Z"}
    return json.dumps(dict.fromkeys(("inference", "management", "API"), entry) | kinds)


KEY_FILES = {
    "a number as the key": token_file(inference={"key": 5}, management={"key": 5}),
    "an empty key": token_file(inference={"key": ""}, management={"key": ""}),
    "a key of two lines": token_file(inference={"key": "a\nb"}, management={"key": "a\nb"}),
    "a key that no header can hold": token_file(inference={"key": "schlüssel"}, management={"key": "ä"}),
    "a text for an entry": token_file(inference="abc", management="abc"),
    "a date of another kind": token_file(inference={"key": "a", "expiration time": "tomorrow"}),
    "a date without a zone": token_file(inference={"key": "a", "expiration time": "2030-01-01T00:00:00"}),
    "a number for a date": token_file(inference={"key": "a", "expiration time": 5}),
    "nested too deeply": "[" * 100_000,
}


@pytest.mark.parametrize("content", KEY_FILES.values(), ids=KEY_FILES)
def test_tokens_that_cannot_be_used_are_named_with_their_file(tmp_path: Path, content: str):
    (tmp_path / "key_file.json").write_text(content)
    assert "key_file.json" in refusal(invoked("tokens", "list", "--run", tmp_path))


VERSION = {"archive": "m-1.0.0.mar", "sha256": "0", "min_workers": 1, "max_workers": 1}
STATES = {
    "a key of a later version": ({"default": "1.0.0", "versions": {"1.0.0": VERSION | {"gpu": 1}}}, "'gpu'|gpu"),
    "a key that is missing": ({"default": "1.0.0", "versions": {"1.0.0": {"archive": "m.mar"}}}, "sha256"),
    "a default that is none": ({"default": "2.0.0", "versions": {"1.0.0": VERSION}}, "the default 2.0.0 is none"),
    "no versions": ({"default": "1.0.0", "versions": {}}, "the default 1.0.0 is none"),
    "a version of two numbers": ({"default": "1.0", "versions": {"1.0": VERSION}}, "is not MAJOR.MINOR.PATCH"),
    "an archive elsewhere": ({"default": "1.0.0", "versions": {"1.0.0": VERSION | {"archive": "../a.mar"}}}, "archive"),
    "fewer than no workers": ({"default": "1.0.0", "versions": {"1.0.0": VERSION | {"min_workers": -1}}}, "min_work"),
    "a list": ([], "models.m"),
}


@pytest.mark.parametrize(("model", "reason"), STATES.values(), ids=STATES)
def test_a_state_of_another_kind_is_refused_with_the_key(tmp_path: Path, model: object, reason: str):
    (tmp_path / "models.json").write_text(json.dumps({"store": str(tmp_path), "models": {"m": model}}))
    line = refusal(invoked("serve", "resume", "--run", tmp_path))
    assert "models.json is not a server's state" in line
    assert any(one in line for one in reason.split("|"))


@pytest.mark.parametrize("name", ["../m", "my model", "", "räume", "a,b", "[m]"])
def test_a_state_with_a_name_that_no_model_has_is_refused(tmp_path: Path, name: str):
    models = {name: {"default": "1.0.0", "versions": {"1.0.0": VERSION}}}
    (tmp_path / "models.json").write_text(json.dumps({"store": str(tmp_path), "models": models}))
    assert "the model's name" in refusal(invoked("serve", "resume", "--run", tmp_path))


@pytest.mark.parametrize("command", [["list"], ["revoke", "me"]])
def test_keys_of_a_run_folder_that_is_none_are_not_taken_for_no_keys(tmp_path: Path, command: list[str]):
    file = tmp_path / "file"
    file.touch()
    assert "is a file; give the server's run folder" in refusal(invoked("keys", *command, "--run", file))
    assert "is missing; give the server's run folder" in refusal(invoked("keys", *command, "--run", tmp_path / "none"))


def test_a_folder_without_keys_says_how_to_create_one(tmp_path: Path):
    assert "no keys; create one" in invoked("keys", "list", "--run", tmp_path).stdout


@pytest.mark.parametrize("content", ["", "[]", "{", '{"name": "a"}', "\x00", "[" * 100_000])
def test_a_foreign_file_among_the_keys_is_named(tmp_path: Path, content: str):
    folder = tmp_path / "gateway" / "keys"
    folder.mkdir(parents=True)
    (folder / ("0" * 64)).write_text(content)
    for command in (["list"], ["add", "me"], ["revoke", "me"]):
        assert f"{folder}/{'0' * 64} is not a key file" in refusal(invoked("keys", *command, "--run", tmp_path))


def test_a_file_in_place_of_the_folder_of_keys_is_refused(tmp_path: Path):
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "keys").touch()
    for command in (["list"], ["add", "me"], ["revoke", "me"]):
        assert "is a file; the gateway's keys are in a folder" in refusal(invoked("keys", *command, "--run", tmp_path))


NAMES = [
    "",
    " ",
    "a b",
    "a'b",
    'a"b',
    "50%",
    "räume",
    "a,b",
    "[b]",
    "[/]",
    "..",
    "../x",
    "a\nb",
    "n" * 255,
    "\u2028",
    "A",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_that_no_key_can_have_is_refused_and_creates_nothing(tmp_path: Path, name: str):
    assert "is not a valid key name" in refusal(invoked("keys", "add", "--run", tmp_path, "--", name))
    assert "no key is named" in refusal(invoked("keys", "revoke", "--run", tmp_path, "--", name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", ['{"m": 1}', '{"m": {"version": "1", "share": 2, "kind": "canary"}}', "[]", "{", "\x00"]
)
def test_routes_of_another_kind_are_refused_with_what_to_do(tmp_path: Path, content: str):
    (tmp_path / "routes.json").write_text(content)
    with pytest.raises(ServerError, match="is not a file of routes; remove it"):
        Routes(tmp_path / "routes.json").all()


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(path)])
def test_a_run_folder_that_is_a_file_or_a_loop_is_refused_by_every_command(
    tmp_path: Path, make: Callable[[Path], object]
):
    run = tmp_path / "run"
    make(run)
    for command in (
        *COMMANDS,
        ["exporter", "--port", "1"],
        ["gateway", "stop"],
        ["gateway", "test"],
        ["serve", "stop"],
    ):
        refusal(invoked(*command, "--run", run))
