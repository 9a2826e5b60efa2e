"""Models from a hub: the real client library with a local server, up to the archive."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.constants import DOWNLOAD_CHUNK_SIZE
from rich.console import Console

from tests.support.hubs import COMMIT, Hub
from tests.tiny import chat_app, make_weights
from vqaops.importing.hub import Snapshot, fetch
from vqaops.paths import ROOT
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig

REPO = "somebody/Tiny_ViLT"


@pytest.fixture(scope="module")
def vilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vilt") / "weights"
    make_weights("vilt", folder)
    (folder / "pytorch_model.bin").write_bytes(b"not to be fetched")
    (folder / "training_args.pt").write_bytes(b"nor this")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"nor another format")
    return folder


@pytest.fixture
def hub(vilt: Path) -> Iterator[Hub]:
    with Hub.of_folder(REPO, vilt).running() as hub:
        hub.card = {"license": "apache-2.0"}
        yield hub


def fetched(hub: Hub, cache: Path, repo: str = REPO, revision: str | None = None, **options: object) -> Snapshot:
    console = options.pop("console", Console(file=StringIO()))
    return fetch(
        repo, revision, console=console, endpoint=hub.url, cache=cache, **{"pickled": False, "token": None, **options}
    )


def test_safetensors_and_what_belongs_to_them_are_fetched_at_one_commit(hub: Hub, tmp_path: Path):
    snapshot = fetched(hub, tmp_path)
    assert snapshot.revision == COMMIT
    assert snapshot.license == "apache-2.0"
    assert hub.names == set(snapshot.names) >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert not [name for name in hub.names if name.endswith((".bin", ".pt")) or "/" in name]


def test_the_size_is_printed_before_the_download(hub: Hub, tmp_path: Path):
    class Watching(StringIO):
        def write(self, text: str) -> int:
            assert not hub.fetched
            return super().write(text)

    said = Watching()
    fetched(hub, tmp_path, console=Console(file=said, width=200))
    assert f"{REPO} at {COMMIT}: " in said.getvalue()
    assert " MB" in said.getvalue()


def test_a_connection_that_breaks_goes_on_where_it_broke(tmp_path: Path):
    weights = os.urandom(3 * DOWNLOAD_CHUNK_SIZE)
    with Hub(REPO, {"model.safetensors": weights}, cuts={"model.safetensors": 1}).running() as hub:
        snapshot = fetched(hub, tmp_path)
    assert [asked for _, asked in hub.fetched] == [None, f"bytes={DOWNLOAD_CHUNK_SIZE}-"]
    assert (snapshot.folder / "model.safetensors").read_bytes() == weights


def test_an_interrupted_fetch_goes_on_with_what_is_missing(hub: Hub, tmp_path: Path):
    hub.fails = {"tokenizer.json"}
    with pytest.raises(RecipeError, match=r"could not be fetched from .*; run the command again to continue"):
        fetched(hub, tmp_path)
    hub.fails = set()
    first = hub.names - {"tokenizer.json"}
    hub.fetched.clear()
    snapshot = fetched(hub, tmp_path)
    assert first
    assert hub.names == set(snapshot.names) - first


@pytest.mark.parametrize(
    ("repo", "revision", "message"),
    [
        ("somebody/else", None, r"somebody/else is not at http://127\.0\.0\.1:\d+, or is private"),
        ("some body", None, "'some body' is not a repository's name"),
        (REPO, "v9", f"{REPO} has no revision v9"),
    ],
)
def test_a_missing_repository_or_file_is_refused_in_one_line(
    hub: Hub, tmp_path: Path, repo: str, revision: str | None, message: str
):
    with pytest.raises(RecipeError, match=message) as caught:
        fetched(hub, tmp_path, repo, revision)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("token", "message"), [("hf_wrong", r"does not accept the token in HF_TOKEN \(401\)"), (False, "set HF_TOKEN")]
)
def test_a_wrong_token_and_a_missing_one_have_different_messages(
    hub: Hub, tmp_path: Path, token: str | bool, message: str
):
    hub.token = "hf_right"
    with pytest.raises(RecipeError, match=message):
        fetched(hub, tmp_path, token=token)
    assert fetched(hub, tmp_path, token="hf_right").revision == COMMIT


def test_a_hub_that_is_not_there_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"could not be fetched from http://127\.0\.0\.1:9 "):
        fetched(Hub(REPO, {}, url="http://127.0.0.1:9"), tmp_path)


def test_pickled_weights_alone_are_fetched_only_when_told(tmp_path: Path):
    with Hub(REPO, {"config.json": b"{}", "pytorch_model.bin": b"", "training_args.bin": b""}).running() as hub:
        with pytest.raises(RecipeError, match=r"has pytorch_model\.bin, a pickled file.*--pickled"):
            fetched(hub, tmp_path)
        assert not hub.fetched
        assert fetched(hub, tmp_path, pickled=True).names == ("config.json", "pytorch_model.bin")


def test_the_command_makes_recipe_and_archive_as_the_chat_apps_variables_say(hub: Hub, tmp_path: Path):
    hub.token = "hf_right"
    variables = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "hf_right"}
    done = build_mar(tmp_path, **variables, MODEL_REPO_ID=REPO, DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    recipe = tmp_path / "vilt"
    assert (tmp_path / "store" / "vilt-1.0.0.mar").is_file()
    card = ModelCard.load(recipe / "README.md")
    assert (card.data.base_model, card.data.license) == (REPO, "apache-2.0")
    assert card.data.to_dict()["base_model_revision"] == COMMIT
    config = ModelConfig.read(recipe / "model-config.yaml")
    handler = config.handler
    assert (handler.family, handler.device) == ("hf_classifier", "cpu")
    assert (handler.precision, handler.options, config.auto) == ("auto", {"runtime": "auto"}, ("workers", "threads"))
    assert "hf_right" not in "".join(
        path.read_text() for path in recipe.rglob("*.*") if path.suffix in {".md", ".yaml"}
    )


@pytest.fixture
def chat_hub(tmp_path: Path) -> Iterator[Hub]:
    """A repository with the chat app's files."""
    files = tmp_path / "files"
    files.mkdir()
    *_, answers = chat_app.App("small_cnn", "lstm", "concatenation").save(files)
    (files / "data").mkdir()
    answers.rename(files / "data" / answers.name)
    with Hub.of_folder("somebody/vqa-model", files).running() as hub:
        yield hub


def test_the_chat_apps_own_repository_is_converted_when_pickles_are_allowed(chat_hub: Hub, tmp_path: Path):
    variables = {"HF_ENDPOINT": chat_hub.url, "HF_HOME": str(tmp_path / "hf"), "MODEL_REPO_ID": chat_hub.repo}
    assert "--pickled accepts it" in build_mar(tmp_path, **variables).stderr
    assert not chat_hub.fetched
    done = build_mar(tmp_path, "--pickled", **variables)
    assert done.returncode == 0, done.stderr
    assert ModelConfig.read(tmp_path / "vilt" / "model-config.yaml").handler.family == "modular"
    assert ModelCard.load(tmp_path / "vilt" / "README.md").data.base_model == chat_hub.repo


def build_mar(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/build_mar.py", "-o", folder / "vilt", "--store", folder / "store", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
