"""Repositories of a hub in memory: branches of commits, whose files are kept by the hash of their content."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

LFS = frozenset({".safetensors", ".png", ".jpg", ".jpeg", ".bin", ".pth", ".pkl"})
"""Endings that .gitattributes of a new repository on the Hub lists for large file storage."""
ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


@dataclass(frozen=True)
class Commit:
    """One commit: the SHA-256 of each file, by its path."""

    oid: str
    message: str
    files: Mapping[str, str]


@dataclass
class Repository:
    """A repository; ``branches`` holds the commits of each branch, the newest last."""

    kind: str
    name: str
    private: bool = False
    sdk: str | None = None
    branches: dict[str, list[Commit]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, or with this id."""
        if revision in self.branches:
            return self.branches[revision][-1]
        return next((one for commits in self.branches.values() for one in commits if one.oid == revision), None)

    def add(self, branch: str, message: str, files: Mapping[str, str]) -> Commit:
        before = self.branches.get(branch, [])
        text = json.dumps([message, [one.oid for one in before], dict(files)])
        commit = Commit(hashlib.sha1(text.encode()).hexdigest(), message, dict(files))
        self.branches[branch] = [*before, commit]
        return commit


@dataclass
class Store:
    """All repositories of a hub, and the content of their files by its SHA-256."""

    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def keep(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.contents[digest] = data
        return digest

    def create(self, kind: str, name: str, private: bool, sdk: str | None) -> Repository:
        made = self.repositories[kind, name] = Repository(kind, name, private, sdk)
        made.add("main", "initial commit", {".gitattributes": self.keep(ATTRIBUTES)})
        return made

    def files(self, repository: Repository, revision: str = "main") -> dict[str, bytes]:
        """Contents of the files by their paths."""
        commit = repository.at(revision)
        assert commit
        return {name: self.contents[digest] for name, digest in commit.files.items()}

    def preupload(self, repository: Repository, revision: str, asked: Iterable[Mapping[str, Any]]) -> list[dict]:
        """How each file is to be sent, with the id of the one that is there: SHA-256, or git's own of a small file."""
        there = self.files(repository, revision)
        answers = []
        for file in asked:
            name = file["path"]
            mode = "lfs" if is_large(name, file["size"]) else "regular"
            answer = {"path": name, "uploadMode": mode, "shouldIgnore": False}
            if name in there:
                answer["oid"] = self._oid(there[name], mode)
            answers.append(answer)
        return answers

    def commit(self, repository: Repository, branch: str, lines: Iterable[Mapping[str, Any]]) -> Commit:
        """Apply the lines of a commit.

        Raises:
            KeyError: A large file was not uploaded before, or a file to delete is not there.
        """
        files = dict(repository.branches[branch][-1].files)
        message = ""
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = self.keep(base64.b64decode(value["content"], validate=True))
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.contents:
                    raise KeyError(f"{value['path']} was not uploaded")
                files[value["path"]] = value["oid"]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise KeyError(line["key"])
        return repository.add(branch, message, files)

    @staticmethod
    def _oid(data: bytes, mode: str) -> str:
        if mode == "lfs":
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(name: str, size: int) -> bool:
    """Whether the Hub keeps a file in large file storage."""
    return PurePosixPath(name).suffix in LFS or size > 10_000_000
