"""Machines of a fleet without servers: what each serves is a value, and a test decides what fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vqaops.errors import ServerError
from vqaops.fleet.machine import ListedDefault, ListedVersion, Look
from vqaops.fleet.operations import Fleet
from vqaops.rollout.operations import Report
from vqaops.store.archive import Archive

GATE = {"gate": "smoke", "value": None, "measured": "nothing", "allowed": "an answer"}


@dataclass
class MemoryMachine:
    """Serves ``shapes`` 1.0.0 after 0.9.0; ``before`` and ``after`` are called around each change, and may raise.

    ``failed`` says at each look how many requests have failed.
    """

    name: str
    defaults: list[str] = field(default_factory=lambda: ["0.9.0", "1.0.0"])
    served: dict[str, str] = field(default_factory=lambda: {"0.9.0": "a", "1.0.0": "b"})
    passes: bool = True
    asked: list[str] = field(default_factory=list)
    away: bool = False
    ready: int = 1
    failed: Callable[[], int] = lambda: 0
    before: Callable[[str], None] = lambda word: None
    after: Callable[[str], None] = lambda word: None

    @property
    def default(self) -> str:
        return self.defaults[-1]

    def look(self) -> Look:
        if self.away:
            raise ServerError("it does not answer")
        versions = tuple(
            ListedVersion(model="shapes", version=one, workers=1, ready=self.ready, sha256=sha256)
            for one, sha256 in self.served.items()
        )
        previous = self.defaults[-2] if len(self.defaults) > 1 else None
        default = ListedDefault(version=self.default, recorded=self.default, previous=previous)
        return Look(versions=versions, defaults={"shapes": default}, failed=self.failed())

    def register(self, archive: Path, signers: Path | None, measures: bool) -> Report:
        given = Archive.read(archive)
        self._change("register", lambda: self.served.update({given.version: given.sha256}))
        return Report({}, ())

    def promote(self, model: str, version: str, force: bool) -> Report:
        promoted = self.passes or force
        self._change("promote", lambda: self.defaults.append(version) if promoted else None)
        return Report({"gates": [{**GATE, "passed": self.passes}]}, (), promoted)

    def rollback(self, model: str, to: str) -> Report:
        if self.defaults[-2] != to:
            raise ServerError(f"the default before was {self.defaults[-2]}, not {to}")
        self._change("rollback", lambda: self.defaults.pop())
        return Report({}, ())

    def remove(self, model: str, version: str, patience: float, force: bool) -> Report:
        self._change("remove", lambda: self.served.pop(version))
        return Report({}, ())

    def _change(self, word: str, change: Callable[[], object]) -> None:
        self.asked.append(word)
        self.before(word)
        if self.away:
            raise ServerError("it does not answer")
        change()
        self.after(word)


def memory_fleet(folder: Path, count: int = 3) -> tuple[Fleet, list[MemoryMachine]]:
    """A fleet of machines named ``a``, ``b``, ``c``, all with ``shapes`` 1.1.0 beside their default 1.0.0."""
    machines = [MemoryMachine(name) for name in "abcdefgh"[:count]]
    for machine in machines:
        machine.served["1.1.0"] = "c"
    file = folder / "fleet.yaml"
    file.touch()
    return Fleet(file, machines, lambda text: None), machines
