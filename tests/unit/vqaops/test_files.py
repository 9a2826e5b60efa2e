"""Outputs that commands refuse before their work: what they read, and what cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vqaops.files import prepare_output
from vqaserve.errors import RecipeError


def the_file_itself(file: Path) -> Path:
    return file


def through_dots(file: Path) -> Path:
    (file.parent / "sub").mkdir()
    return file.parent / "sub" / ".." / file.name


def a_symbolic_link(file: Path) -> Path:
    link = file.with_name("link")
    link.symlink_to(file)
    return link


def a_hard_link(file: Path) -> Path:
    link = file.with_name("hard")
    link.hardlink_to(file)
    return link


def a_linked_folder(file: Path) -> Path:
    folder = file.parent.with_name("linked")
    folder.symlink_to(file.parent)
    return folder / file.name


def a_relative_path(file: Path) -> Path:
    return Path(os.path.relpath(file))


SPELLINGS = [the_file_itself, through_dots, a_symbolic_link, a_hard_link, a_linked_folder, a_relative_path]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_input_is_not_overwritten_under_any_of_its_names(tmp_path: Path, spelling: Callable[[Path], Path]):
    file = tmp_path / "data" / "questions.jsonl"
    file.parent.mkdir()
    file.write_text("mine")
    with pytest.raises(RecipeError, match="which this command reads"):
        prepare_output(spelling(file), [tmp_path / "other", file])
    assert file.read_text() == "mine"


def test_another_file_may_be_overwritten_and_its_folder_is_made(tmp_path: Path):
    file = tmp_path / "questions.jsonl"
    file.touch()
    prepare_output(tmp_path / "new" / "scores.json", [file])
    assert (tmp_path / "new").is_dir()
    (tmp_path / "new" / "scores.json").write_text("old scores")
    prepare_output(tmp_path / "new" / "scores.json", [file])


def test_a_folder_is_no_output(tmp_path: Path):
    with pytest.raises(RecipeError, match="is a folder; give the name of a file"):
        prepare_output(tmp_path)
