from __future__ import annotations

import json
from pathlib import Path

import pytest

from vqaops.errors import ServerError
from vqaops.server.key_file import KeyFile


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    path = tmp_path / "key_file.json"
    path.write_text(json.dumps({"inference": {"key": "secret"}}))
    return KeyFile(path)


def test_only_the_owner_can_read_the_header_whoever_could_read_the_one_before(keys: KeyFile):
    header = keys.path.with_name("auth.header")
    header.write_text("Authorization: Bearer old\n")
    header.chmod(0o644)
    keys.write_header()
    assert header.read_text() == "Authorization: Bearer secret\n"
    assert header.stat().st_mode & 0o777 == 0o600


def test_a_header_that_cannot_be_written_is_an_error_that_a_server_survives(keys: KeyFile):
    keys.path.with_name("auth.header").mkdir()
    with pytest.raises(ServerError, match=r"auth\.header cannot be written: "):
        keys.write_header()
