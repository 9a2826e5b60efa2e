"""A file or folder of a user's that cannot be used ends every command with one line and status 1, never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from scripts import build_mar, exporter, health, models, serve, tokens
from tests.support.recipes import RecipeMaker

APPS = {"models": models.app, "serve": serve.app, "tokens": tokens.app}
for module in (build_mar, exporter, health):
    APPS[module.__name__.rpartition(".")[2]] = app = typer.Typer()
    app.command()(module.main)


def line_of(script: str, *arguments: object) -> str:
    done = CliRunner().invoke(APPS[script], [str(one) for one in arguments])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.split("\n")[:-1]
    return line


def missing(path: Path) -> Path:
    return path


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def a_text(text: str | bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def a_loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (missing, "is not a folder"),
        (a_text("a file"), "is not a folder"),
        (a_loop, "Too many levels of symbolic links"),
        (a_folder, "model-config.yaml is missing"),
    ],
)
@pytest.mark.parametrize("script", ["build_mar", "serve"])
def test_a_path_that_is_not_a_recipe_is_refused(tmp_path: Path, script: str, make: Callable[[Path], Path], reason: str):
    words = ["start", "--run", tmp_path / "run", "--store", tmp_path / "store"] if script == "serve" else []
    assert reason in line_of(script, *words, make(tmp_path / "recipe"))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "content", ["a: [", "[1, 2]", "", "handler: 1", b"\xff\xfe\x00", b"a: \xe9", "a: &a [*a]", "\x00"]
)
def test_a_models_settings_that_cannot_be_read(make_recipe: RecipeMaker, tmp_path: Path, content: str | bytes):
    recipe = make_recipe()
    a_text(content)(recipe / "model-config.yaml")
    assert "model-config.yaml" in line_of("build_mar", recipe, "--store", tmp_path / "store")


@pytest.mark.parametrize("name", ["my model", "a,b", "räume", "[x]", "50%", "it's", "-x", "#1", 'q"q'])
def test_a_recipes_name_that_a_program_downstream_cannot_take(make_recipe: RecipeMaker, tmp_path: Path, name: str):
    line = line_of("build_mar", make_recipe(name), "--store", tmp_path / "store")
    assert f"the model's name {name!r}" in line
    assert not (tmp_path / "store").exists()


def test_a_model_store_that_is_a_file(make_recipe: RecipeMaker, tmp_path: Path):
    store = a_text("")(tmp_path / "store")
    assert f"{store}" in line_of("build_mar", make_recipe(), "--store", store)


def test_a_missing_signing_key_is_refused_before_the_build(make_recipe: RecipeMaker, tmp_path: Path):
    line = line_of("build_mar", make_recipe(), "--store", tmp_path / "store", "--sign", tmp_path / "key")
    assert "is not a file; give an SSH private key" in line
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "make",
    [missing, a_folder, a_text("inference_address=http://h:x\n"), a_text("a=\\uzzzz"), a_text("metrics_address=x")],
)
@pytest.mark.parametrize(
    "command",
    [["health"], ["exporter", "--port", "1"], ["tokens", "rotate"], ["serve", "resume"], ["serve", "foreground"]],
)
def test_properties_that_cannot_be_used(tmp_path: Path, command: list[str], make: Callable[[Path], Path]):
    config = make(tmp_path / "config.properties")
    line_of(*command, "--run", tmp_path / "run", "--config", config)


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"store": 1}', b"\xff", '{"store": "/x", "models": {}}'])
def test_a_state_that_cannot_be_read(tmp_path: Path, content: str | bytes):
    a_text(content)(tmp_path / "models.json")
    assert "models.json" in line_of("serve", "resume", "--run", tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"inference": 1}', b"\xff", '{"inference": {"key": "x"}}'])
@pytest.mark.parametrize("command", [["tokens", "list"], ["tokens", "rotate"]])
def test_a_key_file_that_cannot_be_read(tmp_path: Path, command: list[str], content: str | bytes):
    a_text(content)(tmp_path / "key_file.json")
    assert "key_file.json" in line_of(*command, "--run", tmp_path)


@pytest.mark.parametrize("make", [missing, a_folder, a_text("no zip"), a_text(b"PK\x03\x04")])
def test_register_refuses_a_file_that_is_not_an_archive(tmp_path: Path, make: Callable[[Path], Path]):
    assert "is not a complete archive" in line_of("models", "register", make(tmp_path / "a.mar"), "--run", tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["promote", "shapes", "1.0.0"],
        ["rollback", "shapes"],
        ["scale", "--min", "3", "--max", "2"],
        ["autoscale", "--min", "3", "--max", "2"],
        ["remove", "a", "b", "c"],
        ["canary", "shapes", "1.0.0", "--share", "\u0663%"],
        ["canary", "shapes", "1.0.0", "--share", "101%"],
    ],
)
def test_a_server_that_does_not_run_or_options_that_do_not_fit(tmp_path: Path, words: list[str]):
    line_of("models", *words, "--run", tmp_path)


def test_a_path_that_is_not_utf_8(make_recipe: RecipeMaker, tmp_path: Path):
    odd = tmp_path / "caf\udce9"
    assert "the path is not UTF-8" in line_of("build_mar", make_recipe(), "--store", odd)
    assert "the path is not UTF-8" in line_of("serve", "resume", "--run", odd)


def test_a_run_folder_that_is_a_file(tmp_path: Path):
    run = a_text("")(tmp_path / "run")
    for command in (["serve", "resume"], ["models", "list"], ["tokens", "list"], ["health"]):
        line_of(*command, "--run", run)


def test_a_model_store_without_an_archive_is_not_served(tmp_path: Path):
    assert "holds no archive" in line_of("serve", "foreground", "--store", tmp_path, "--run", tmp_path / "run")
