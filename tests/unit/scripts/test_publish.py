from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scripts import publish
from tests.support.published import tiny_recipe
from tests.support.writable_hubs import WRITER, WritableHub
from vqaops.paths import RECIPES


@pytest.fixture(autouse=True)
def hub(writable_hub: WritableHub, monkeypatch: pytest.MonkeyPatch) -> WritableHub:
    """The hub that the command uploads to."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", writable_hub.url)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    return writable_hub


def run(*arguments: object) -> Result:
    return CliRunner().invoke(publish.app, [str(argument) for argument in arguments])


def test_a_dry_run_lists_files_with_sizes_and_sends_nothing(hub: WritableHub):
    done = run("model", RECIPES / "shapes", "--repo", "me/shapes", "--dry-run")
    assert done.exit_code == 0, done.output
    weights = (RECIPES / "shapes" / "weights" / "model.safetensors").stat().st_size
    assert f"weights/model.safetensors {weights:>12,}".split() in [line.split() for line in done.output.splitlines()]
    assert "license apache-2.0" in done.output
    assert "nothing was sent" in done.output
    assert not hub.requests


def test_a_license_that_does_not_let_everyone_pass_the_files_on_needs_a_yes(hub: WritableHub, tmp_path: Path):
    recipe = tiny_recipe(tmp_path / "tiny")
    (recipe / "README.md").write_text("---\nlicense: other\nlicense_name: research-only\n---\n# tiny\n")
    done = run("model", recipe, "--repo", "somebody/tiny")
    assert done.exit_code == 1
    assert "the card's license is 'other' (research-only), which does not let everyone" in done.stderr
    assert not hub.requests
    done = run("model", recipe, "--repo", "somebody/tiny", "--yes")
    assert done.exit_code == 0, done.output
    assert hub.files("somebody/tiny")


def test_the_research_model_of_the_project_is_not_published_by_accident(hub: WritableHub):
    done = run("model", RECIPES / "rooms", "--repo", "me/rooms")
    assert done.exit_code == 1
    assert "give --yes if you may publish them" in done.stderr
    assert not hub.requests


def test_what_is_left_out_is_named(tmp_path: Path):
    recipe = tiny_recipe(tmp_path / "tiny")
    (recipe / "weights" / "vocab.pkl").write_bytes(b"")
    done = run("model", recipe, "--repo", "me/tiny", "--dry-run")
    assert "not uploaded: weights/vocab.pkl" in done.output
