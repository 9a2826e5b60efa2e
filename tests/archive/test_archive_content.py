"""An archive is current as long as everything that it was built from has the same content, whatever its times are."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts import build_mar
from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from vqaops.building import archive_content
from vqaops.building.build import archive_of, build, is_current
from vqaops.store.archive import Archive
from vqaserve.choosing import CONTENT
from vqaserve.errors import RecipeError
from vqaserve.settings import HandlerSettings

LONG_AGO = 86_400.0


@pytest.fixture(scope="module")
def built(make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Archive]:
    """A recipe and its archive; no test changes either."""
    recipe = make_recipe()
    (recipe / "weights").mkdir()
    (recipe / "weights" / "answers.txt").write_text("yes\nno\n")
    (recipe / "picture.png").write_bytes(b"not a sample")
    return recipe, pack(recipe, tmp_path_factory.mktemp("store"))


@pytest.fixture
def archive(built: tuple[Path, Archive]) -> Archive:
    return built[1]


@pytest.fixture
def recipe(built: tuple[Path, Archive], tmp_path: Path) -> Path:
    """A copy of the recipe, which a test may change."""
    return shutil.copytree(built[0], tmp_path / built[0].name)


def age(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))


def test_an_archive_is_not_current_before_it_is_built_and_is_afterwards(recipe: Path, tmp_path: Path):
    assert not is_current(archive_of(recipe, tmp_path), recipe)
    assert is_current(pack(recipe, tmp_path), recipe)


CHANGES: dict[str, Callable[[Path], object]] = {
    "another answer of the same length": lambda recipe: (recipe / "weights" / "answers.txt").write_text("yes\nna\n"),
    "another byte of a picture": lambda recipe: (recipe / "picture.png").write_bytes(b"not a sampel"),
    "another precision": lambda recipe: (recipe / "model-config.yaml").write_text(
        (recipe / "model-config.yaml").read_text() + "  precision: bf16\n"
    ),
    "another batch size": lambda recipe: (recipe / "model-config.yaml").write_text(
        (recipe / "model-config.yaml").read_text().replace("batchSize: 8", "batchSize: 4")
    ),
    "a file removed": lambda recipe: (recipe / "picture.png").unlink(),
    "a file renamed": lambda recipe: (recipe / "picture.png").rename(recipe / "image.png"),
    "a file moved into a folder": lambda recipe: (recipe / "picture.png").rename(recipe / "samples" / "picture.png"),
    "a folder renamed": lambda recipe: (recipe / "weights").rename(recipe / "weight"),
    "an empty file added": lambda recipe: (recipe / "weights" / "new.txt").touch(),
    "two files exchanged": lambda recipe: (
        (recipe / "picture.png").rename(recipe / "aside"),
        (recipe / "weights" / "answers.txt").rename(recipe / "picture.png"),
        (recipe / "aside").rename(recipe / "weights" / "answers.txt"),
    ),
    "a line moved from the end of one file to the next": lambda recipe: (
        (recipe / "weights" / "answers.txt").write_text("yes\n"),
        (recipe / "picture.png").write_bytes(b"no\nnot a sample"),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_recipe_makes_the_archive_stale_though_its_files_are_old(
    recipe: Path, archive: Archive, change: Callable[[Path], object]
):
    change(recipe)
    age(recipe)
    assert not is_current(archive, recipe)


def touch_all(recipe: Path) -> None:
    for path in recipe.rglob("*"):
        path.touch()


def replace_by_copy(recipe: Path) -> None:
    shutil.move(recipe, recipe.with_name("original"))
    shutil.copytree(recipe.with_name("original"), recipe)
    shutil.rmtree(recipe.with_name("original"))


def leave_junk(recipe: Path) -> None:
    (recipe / "__pycache__").mkdir()
    (recipe / ".ipynb_checkpoints").mkdir()
    for name in (
        "__pycache__/x.cpython-311.pyc",
        ".ipynb_checkpoints/a.ipynb",
        ".DS_Store",
        ".README.md.swp",
        "README.md~",
        "#README.md#",
        "weights/.nfs0001",
        "Thumbs.db",
    ):
        (recipe / name).write_bytes(b"junk")


SAME: dict[str, Callable[[Path], object]] = {
    "newer times": touch_all,
    "a copy in its place": replace_by_copy,
    "what editors, Python and operating systems leave behind": leave_junk,
    "an empty folder": lambda recipe: (recipe / "plots").mkdir(),
    "a link in the place of a file": lambda recipe: (
        (recipe / "picture.png").rename(recipe.parent / "elsewhere.png"),
        (recipe / "picture.png").symlink_to(recipe.parent / "elsewhere.png"),
    ),
    "a link in the place of a folder": lambda recipe: (
        (recipe / "weights").rename(recipe.parent / "elsewhere"),
        (recipe / "weights").symlink_to(recipe.parent / "elsewhere"),
    ),
    "other access rights": lambda recipe: (recipe / "picture.png").chmod(0o600),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_an_archive_stays_current_while_the_content_is_the_same(
    recipe: Path, archive: Archive, change: Callable[[Path], object]
):
    change(recipe)
    assert is_current(archive, recipe)


def test_two_builds_of_the_same_content_have_the_same_content_hash(recipe: Path, archive: Archive, tmp_path: Path):
    assert pack(recipe, tmp_path / "store").content_sha256 == archive.content_sha256 != ""


def test_junk_is_not_packed(recipe: Path, tmp_path: Path):
    leave_junk(recipe)
    with zipfile.ZipFile(pack(recipe, tmp_path).path) as mar:
        assert not [name for name in mar.namelist() if mar.read(name) == b"junk"]


@pytest.mark.parametrize("changed", ["HANDLER", "_BUILD"])
def test_other_code_of_the_handler_or_of_the_build_makes_an_archive_stale(
    recipe: Path, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
):
    code = shutil.copytree(getattr(archive_content, changed), tmp_path / "code")
    monkeypatch.setattr(archive_content, changed, code)
    assert is_current(archive, recipe)
    file = next(code.rglob("*.py"))
    file.write_text(file.read_text() + "# changed\n")
    assert not is_current(archive, recipe)


def test_a_library_counts_where_it_prepares_files_and_nowhere_else(make_recipe: RecipeMaker, monkeypatch):
    recipe = make_recipe()
    torch = HandlerSettings(version="1.0.0", family="hf_classifier")
    openvino = HandlerSettings(version="1.0.0", family="hf_classifier", options={"runtime": "openvino"})
    before = [archive_content.Content.of(recipe, settings).sha256 for settings in (torch, openvino)]
    monkeypatch.setattr(archive_content, "_version", lambda library: "another")
    after = [archive_content.Content.of(recipe, settings).sha256 for settings in (torch, openvino)]
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_an_archive_without_a_content_hash_is_stale(recipe: Path, archive: Archive, tmp_path: Path):
    with zipfile.ZipFile(archive.path) as mar, zipfile.ZipFile(tmp_path / "old.mar", "w") as old:
        for name in mar.namelist():
            if name != CONTENT:
                old.writestr(name, mar.read(name))
    assert not is_current(replace(archive, path=tmp_path / "old.mar"), recipe)


@pytest.mark.usefixtures("untried")
def test_the_command_refuses_older_files_of_other_content_until_the_version_is_raised(recipe: Path, tmp_path: Path):
    app = build_mar.typer.Typer()
    app.command()(build_mar.main)
    command = [str(recipe), "--store", str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    (recipe / "picture.png").unlink()
    age(recipe)
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1
    assert "give the new one a higher `handler: version:`" in refused.output
    config = recipe / "model-config.yaml"
    config.write_text(config.read_text().replace("1.0.0", "1.1.0"))
    assert CliRunner().invoke(app, command).exit_code == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to(path.parent / "nowhere"), "cannot be packed: No such file"),
        (lambda path: path.symlink_to(path.parent), "is a link to a folder above it"),
        (lambda path: path.symlink_to("/dev/null"), "is neither a file nor a folder"),
        (lambda path: os.mkfifo(path), "is neither a file nor a folder"),
        (lambda path: (path.parent / "caf\udce9.txt").touch(), "is not a UTF-8 name"),
    ],
)
def test_what_cannot_be_packed_is_refused_by_its_path(recipe: Path, tmp_path: Path, make, message: str):
    make(recipe / "odd")
    with pytest.raises(RecipeError, match=message):
        build(recipe, tmp_path / "store")
    assert not (tmp_path / "store").exists()
