from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vqaops.paths import RECIPES
from vqaops.tuning.recipe_file import with_settings, write_settings
from vqaops.tuning.space import Candidate
from vqaserve.settings import ModelConfig

CHOICE = Candidate(workers=3, threads=4, batch=32, delay=5, precision="bf16")
ROOMS = (RECIPES / "rooms" / "model-config.yaml").read_text()


def test_a_written_recipe_has_the_choice_and_every_comment_still():
    written = with_settings(ROOMS, CHOICE)
    assert Candidate.of(ModelConfig.parse(yaml.safe_load(written))) == CHOICE
    comments = [line.partition("#")[2] for line in ROOMS.split("\n") if "#" in line]
    assert [line.partition("#")[2] for line in written.split("\n") if "#" in line] == comments


def test_writing_what_is_there_already_changes_no_letter():
    own = Candidate.of(ModelConfig.parse(yaml.safe_load(ROOMS)))
    assert with_settings(ROOMS, own) == ROOMS


def test_a_setting_that_the_recipe_leaves_to_its_default_is_added():
    server = "minWorkers: 1\nmaxWorkers: 1\nbatchSize: 8\nmaxBatchDelay: 1\n"
    text = f"{server}handler:\n  version: 1.0.0  # ours\n  family: dummy\n"
    written = with_settings(text, CHOICE)
    assert "  threads: 4\n" in written
    assert "  precision: bf16\n" in written
    assert "version: 1.0.0  # ours\n" in written


def test_a_file_of_windows_keeps_its_line_ends():
    own = Candidate.of(ModelConfig.parse(yaml.safe_load(ROOMS)))
    windows = ROOMS.replace("\n", "\r\n")
    assert with_settings(windows, own) == windows


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_settings_are_written_into_a_file_with_or_without_a_byte_order_mark(tmp_path: Path, mark: bytes):
    file = tmp_path / "model-config.yaml"
    file.write_bytes(mark + ROOMS.encode())
    write_settings(file, CHOICE)
    assert Candidate.of(ModelConfig.read(file)) == CHOICE
