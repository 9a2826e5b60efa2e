"""A machine of a fleet that is reached by SSH: ``scripts/models.py`` runs there, beside its server.

A TorchServe's management address can run code, so it stays on its machine's loopback; so do its tokens. What an archive
calls ``auto`` is measured on the machine that serves it.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vqaops.errors import ServerError
from vqaops.fleet.machine import Look
from vqaops.rollout.operations import Report
from vqaops.store import checksums

_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "--")
"""Asks for no passphrase, and notices within a minute that a machine is gone."""
_UNREACHABLE = 255
"""SSH's own exit status for any failure of its own."""
_SIGNERS = "allowed_signers"


@dataclass(frozen=True, slots=True)
class SshMachine:
    """A server on another machine.

    Attributes:
        name: What reports call it.
        host: Host for the command ``ssh``.
        project: This project's folder there.
        run: The server's run folder there; a relative path begins at the project's folder.
    """

    name: str
    host: str
    project: Path
    run: Path

    def look(self) -> Look:
        """What it serves now."""
        report = self._models("list")
        try:
            return Look.model_validate(report.fields)
        except ValidationError:
            raise ServerError(
                f"{self.host} lists its versions otherwise; does {self.project} have this version?"
            ) from None

    def register(self, archive: Path, signers: Path | None, measures: bool) -> Report:
        """Copy an archive and its list there, and serve it beside the running version."""
        beside = [archive.with_name(name) for name in (checksums.LIST, checksums.SIGNATURE)]
        files = {one.name: one for one in (archive, *beside) if one.exists()}
        files |= {_SIGNERS: signers} if signers else {}
        with self._copied(files) as folder:
            words = [f"{folder}/{archive.name}", *(["--signers", f"{folder}/{_SIGNERS}"] if signers else [])]
            return self._models("register", *words, *([] if measures else ["--no-calibration"]))

    def promote(self, model: str, version: str, force: bool) -> Report:
        """Make a version the default if it passes its gates."""
        return self._models("promote", model, version, *(["--force"] if force else []))

    def rollback(self, model: str, to: str) -> Report:
        """Make the previous default the default again."""
        return self._models("rollback", model, "--to", to)

    def remove(self, model: str, version: str, patience: float, force: bool) -> Report:
        """Stop serving a version."""
        return self._models("remove", model, version, "--patience", f"{patience}", *(["--force"] if force else []))

    def _models(self, *words: str) -> Report:
        """``scripts/models.py``; a status of 1 with an object on stdout is a gate that failed."""
        command = shlex.join([".venv/bin/python", "scripts/models.py", *words, "--json", "--run", str(self.run)])
        done = subprocess.run(
            [*_SSH, self.host, f"cd {shlex.quote(str(self.project))} && {command}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        fields = _object(done.stdout)
        if fields is None or done.returncode not in {0, 1}:
            raise self._failure(done.returncode, done.stderr)
        return Report(fields, (), succeeded=done.returncode == 0)

    @contextmanager
    def _copied(self, files: Mapping[str, Path]) -> Iterator[str]:
        """Copies of files under these names in a folder there, until the block ends."""
        unpack = 'folder=$(mktemp -d) && tar -xf - -C "$folder" && echo "$folder"'
        pipe = subprocess.PIPE
        command = [*_SSH, self.host, unpack]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            assert process.stdin is not None
            # Where ssh ends early, its own message says why.
            with suppress(BrokenPipeError), tarfile.open(fileobj=process.stdin, mode="w|") as packed:
                for name, file in files.items():
                    packed.add(file.resolve(), name)
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdin = None
            output, errors = process.communicate()
        folder = output.decode(errors="replace").strip()
        if process.returncode or not re.fullmatch(r"/[\w./-]+", folder):
            raise self._failure(process.returncode, errors.decode(errors="replace"))
        try:
            yield folder
        finally:
            subprocess.run([*_SSH, self.host, f"rm -r {shlex.quote(folder)}"], stdin=subprocess.DEVNULL)

    def _failure(self, status: int, errors: str) -> ServerError:
        said = _last(errors.strip().splitlines())
        if status == _UNREACHABLE:
            return ServerError(f"ssh cannot reach {self.host}: {said}")
        return ServerError(said or f"the command on {self.host} ended with status {status}")


def _object(text: str) -> dict[str, Any] | None:
    with suppress(ValueError):
        if isinstance(found := json.loads(_last(text.strip().splitlines())), dict):
            return found
    return None


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else ""
