"""The folder of an attempt: it goes on where it stopped, and its numbers are used once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from vqaops.improving.attempt import Attempt, begin_recipe, next_version, unpack_recipe
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig


def test_an_attempt_without_a_report_is_gone_on_with(tmp_path: Path):
    assert Attempt.unfinished(tmp_path, "rooms") is None
    attempt = Attempt.begin(tmp_path, "rooms", "1.0.0", "1.1.0")
    assert Attempt.unfinished(tmp_path, "rooms") == attempt
    assert Attempt.unfinished(tmp_path, "shapes") is None
    attempt.end({"promoted": False})
    assert Attempt.unfinished(tmp_path, "rooms") is None


def test_a_damaged_record_says_what_to_delete(tmp_path: Path):
    attempt = Attempt.begin(tmp_path, "rooms", "1.0.0", "1.1.0")
    (attempt.folder / "attempt.json").write_text("{")
    with pytest.raises(RecipeError, match=r"attempt.json is damaged; delete .*1.1.0 to begin anew"):
        Attempt.unfinished(tmp_path, "rooms")


def test_an_output_appears_as_a_whole_or_not_at_all(tmp_path: Path):
    attempt, calls = Attempt.begin(tmp_path, "rooms", "1.0.0", "1.1.0"), []

    def make(folder: Path) -> None:
        calls.append(sorted(path.name for path in folder.iterdir()))
        (folder / "one").touch()
        if len(calls) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt.once(attempt.feedback, make)
    assert not attempt.feedback.exists()
    attempt.once(attempt.feedback, make)
    attempt.once(attempt.feedback, make)
    assert calls == [[], []]
    assert [path.name for path in attempt.feedback.iterdir()] == ["one"]


def test_the_recipe_of_an_archive_builds_the_same_archive(make_recipe: RecipeMaker, tmp_path: Path):
    archive = pack(make_recipe(), tmp_path / "store")
    recipe = tmp_path / "unpacked" / "dummy"
    recipe.mkdir(parents=True)
    unpack_recipe(archive, recipe)
    again = pack(recipe, tmp_path / "other")
    assert again.content_sha256 == archive.content_sha256


def test_a_copy_of_a_recipe_has_its_own_version(make_recipe: RecipeMaker, tmp_path: Path):
    begin_recipe(make_recipe(), tmp_path, "1.3.0")
    assert ModelConfig.read(tmp_path / "model-config.yaml").handler.version == "1.3.0"


@pytest.mark.parametrize(
    ("versions", "expected"),
    [(["1.0.0"], "1.1.0"), (["1.9.3", "1.10.0", "0.99.0"], "1.11.0"), (["2.0.0", "1.5.0"], "2.1.0")],
)
def test_the_next_version_is_higher_than_every_known_one(versions: list[str], expected: str):
    assert next_version(versions) == expected
