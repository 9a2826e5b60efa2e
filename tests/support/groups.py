"""Which test files run in the same process of pytest-xdist: those that share a server, which is then started once.

With `--dist loadfile` alone, the files of a server are spread over the processes, and each of them starts it.
`--dist loadgroup` would do, but pytest-xdist 3.8 does not write the groups into pytest 9's ids.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from vqaops.paths import ROOT

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

SERVERS = {
    "tasks_server": r"\btasks_server: Server",
    "writing_server": r"\bwriting_(server|gateway): ",
    "torchserve": r"\b(torchserve: Server|(any_)?gateway: RunningGateway)",
    "shapes_server": r"\bshapes_server: Server|\bpage_url: str|\bvisit: Callable",
    "dummy_server": r"\b(any|dummy)_server: Server",
}
"""Servers for the whole session, and what a file that uses one contains; of several, the first here counts."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByServer(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(super()._split_scope(nodeid))

    return ByServer(config, log)


@cache
def group(file: str) -> str:
    """The server that a test file shares with others; the file itself if there is none."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return next((name for name, used in SERVERS.items() if re.search(used, text)), file)
