from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadtest.peers.known_peers import PEERS, InstalledPeer, Peer, find_peers
from vqaops.errors import ServerError


def test_an_installed_peer_is_found_with_its_version():
    found = Peer("pytest", "pytest", "none").find([Path(sys.executable)])
    assert found is not None
    assert (found.version, found.python) == (pytest.__version__, Path(sys.executable))


def test_a_peer_that_no_interpreter_has_is_named_with_advice():
    assert Peer("None", "none-such", "none").find([Path(sys.executable)]) is None
    assert ".venv/bin/pip install -c constraints.txt -e '.[peers]'" in PEERS["mosec"].advice
    assert ".venv/bin/pip install -c constraints.txt -e '.[ray]'" in PEERS["deploy.ray"].advice


def test_every_peer_is_found_or_has_advice():
    assert all(isinstance(one, InstalledPeer) or one.advice for one in find_peers(list(PEERS), []))


def test_an_unknown_peer_is_refused_before_any_is_looked_for():
    with pytest.raises(ServerError, match="there is no peer 'flask'; possible are: fastapi, litserve"):
        next(find_peers(["mosec", "flask"], []))


def test_a_missing_interpreter_is_refused_with_its_path():
    with pytest.raises(FileNotFoundError, match="/none/such/python"):
        Peer("None", "none-such", "none").find([Path("/none/such/python")])
