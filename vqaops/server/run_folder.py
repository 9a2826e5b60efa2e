"""The folder that holds every file of one server."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vqaops.errors import ServerError
from vqaops.server.ports import SOCKET_PATH_LIMIT
from vqaops.server.process_record import ProcessRecord
from vqaops.server.properties import read_properties

_UNUSABLE = frozenset({"Cc", "Zl", "Zp"})
"""Unicode categories: control characters and line ends, at which TorchServe's pattern for ``unix:/path`` stops."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths in a run folder, and the steps that make it ready for a start.

    Attributes:
        path: The folder. While the server runs it holds ``pid.json``, temporary files, worker sockets, logs and the
            tokens (``key_file.json``). ``models.json`` (what is served), ``history.jsonl`` (changes of that),
            ``calibrations`` (what ``auto`` means here) and ``logs.previous`` (logs of the run before) outlive the
            server.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The properties that the server was started with."""
        return self.path / "config.properties"

    @property
    def server(self) -> ProcessRecord:
        """Which process the server is."""
        return ProcessRecord(self.path / "pid.json")

    @property
    def page(self) -> ProcessRecord:
        """Which process the chat page in front of the server is."""
        return ProcessRecord(self.path / "page.json")

    @property
    def temporary(self) -> Path:
        """TorchServe's temporary folder: unpacked archives and worker sockets."""
        return self.path / "tmp"

    @property
    def logs(self) -> Path:
        """Logs of the server and of its workers."""
        return self.path / "logs"

    def check(self) -> None:
        """Refuse a folder that a start would damage or that TorchServe cannot use.

        Raises:
            ServerError: The folder holds files of another program, or its path cannot be used.
        """
        # A start removes these; reports of benchmarks may lie in the folder as well.
        others = [name for name in ("tmp", "logs", "logs.previous") if (self.path / name).exists()]
        if others and not self.config.exists():
            raise ServerError(f"{self.path} holds {', '.join(others)} and is not a server's folder; choose another one")
        if self.config.exists() and "model_snapshot" not in read_properties(self.config):
            raise ServerError(
                f"{self.config} was not written by a start, which would replace it; choose another folder"
            )
        if unusable := next((one for one in str(self.path) if unicodedata.category(one) in _UNUSABLE), None):
            raise ServerError(
                f"the path {str(self.path)!r} holds {unusable!r}, which TorchServe's addresses cannot hold; "
                "choose another folder"
            )
        if len(str(self.temporary / ".ts.sock.9000").encode()) > SOCKET_PATH_LIMIT:
            raise ServerError(f"the path {self.temporary} is too long for unix sockets; choose a shorter folder")

    def prepare(self, sockets: Sequence[Path]) -> None:
        """Empty the temporary folder, keep the last run's logs as ``logs.previous``, and remove stale sockets.

        Args:
            sockets: Unix sockets that the server will listen on.
        """
        shutil.rmtree(self.temporary, ignore_errors=True)
        previous = self.path / "logs.previous"
        if self.logs.exists():  # after a crash they are the only record of its reason
            shutil.rmtree(previous, ignore_errors=True)
            self.logs.rename(previous)
        for left in (self.path / "key_file.json", *sockets):
            left.unlink(missing_ok=True)
        for folder in (self.temporary, self.logs):
            folder.mkdir(parents=True)
        self.path.chmod(0o700)

    def clear(self) -> None:
        """Remove what is of no use once the server has ended."""
        for file in (self.server.file, self.path / "key_file.json", self.path / "auth.header"):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def last_error(self) -> str:
        """The last line of the console and server logs that tells of an error, or else the last line."""
        files = [self.logs / name for name in ("console.log", "server.log")]
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists()]
        lines = [line for text in texts for line in text.split("\n") if line.strip()]
        errors = [line for line in lines if "rror" in line or "xception" in line]
        return (errors or lines or ["its logs are empty"])[-1].strip()
