from __future__ import annotations

from pathlib import Path

import pytest

from vqaops.errors import ServerError
from vqaops.server.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x1bb", "a\u2028b", "a\x85b"])
def test_a_path_with_a_control_character_is_refused_with_the_character_named(name: str):
    with pytest.raises(ServerError, match="which TorchServe's addresses cannot hold"):
        RunFolder(Path("/tmp") / name).check()


@pytest.mark.parametrize("name", ["a, b", "[x]", "50%", "räume", "-x", "#1", "it's", "$HOME", "a:b=c"])
def test_paths_with_unusual_characters_are_accepted(name: str):
    RunFolder(Path("/tmp") / name).check()


def test_the_last_error_in_the_logs_is_found_by_line_feeds(folder: RunFolder):
    folder.logs.mkdir()
    (folder.logs / "console.log").write_text("started\nError: bad\u2028address\nstopped\r\n")
    assert folder.last_error() == "Error: bad\u2028address"


def test_the_last_error_of_empty_logs_says_that_they_are_empty(folder: RunFolder):
    assert folder.last_error() == "its logs are empty"


def test_a_folder_with_properties_that_no_start_wrote_is_refused(folder: RunFolder):
    folder.config.write_text("inference_address=http://127.0.0.1:8080\n")
    folder.logs.mkdir()
    with pytest.raises(ServerError, match=r"config\.properties was not written by a start"):
        folder.check()
    folder.config.write_text("model_snapshot={}\n")
    folder.check()
