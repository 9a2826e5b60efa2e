"""A server on loopback with the part of the Hugging Face Hub's API that uploads use, and downloads of their files."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from tests.support.hub_store import Repository, Store, is_large

WRITER, READER = "hf_" + "writer" * 6, "hf_" + "reader" * 6
USER = "somebody"
_API = re.compile(r"/api/(model|space)s/([\w.-]+/[\w.-]+)(?:/(.+))?")
_FILE = re.compile(r"/(?:(space)s/)?([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")
_LFS = re.compile(r"/(?:(space)s/)?([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch")


@dataclass
class WritableHub:
    """A hub with one user, whose tokens are ``WRITER`` and ``READER``.

    Attributes:
        store: The repositories.
        url: The address while it runs.
        sent: The SHA-256 of each large file that arrived, in order.
        breaks: The number of uploads of large files to break off in the middle.
        requests: Method and path of each request, in order.
    """

    store: Store = field(default_factory=Store)
    url: str = ""
    sent: list[str] = field(default_factory=list)
    breaks: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)

    def repository(self, name: str, kind: str = "model") -> Repository:
        return self.store.repositories[kind, name]

    def files(self, name: str, kind: str = "model", revision: str = "main") -> dict[str, bytes]:
        """The files that were published, without the Hub's own .gitattributes."""
        files = self.store.files(self.repository(name, kind), revision)
        return {path: data for path, data in files.items() if path != ".gitattributes"}

    @contextmanager
    def running(self) -> Iterator[WritableHub]:
        """Serve on a free port of loopback until the block ends."""
        handler = type("Handler", (_Handler,), {"hub": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            yield self
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: WritableHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_POST = do_PUT = do_HEAD

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        if self.command == "PUT" and path.startswith("/storage/"):
            return self._keep(path.removeprefix("/storage/"))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", WRITER, READER):
            return self._json(401, {}, {"X-Error-Message": "Invalid credentials in Authorization header"})
        if path == "/api/whoami-v2":
            return self._json(200, {"name": USER, "type": "user"}) if token else self._json(401, {})
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        reads = self.command in ("GET", "HEAD")
        if not reads and token != WRITER:
            return self._json(403, {"error": "Forbidden: pass a token with write access"})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        for pattern, method in ((_API, self._api), (_FILE, self._file), (_LFS, self._batch)):
            if found := pattern.fullmatch(path):
                repository = self.hub.store.repositories.get((found[1] or "model", found[2]))
                if repository is None or (repository.private and not token):
                    return self._json(404 if token else 401, {}, {"X-Error-Code": "RepoNotFound"})
                return method(repository, body, *found.groups()[2:])
        return self._json(404, {"error": path})

    def _create(self, asked: dict[str, Any]) -> None:
        kind = asked.get("type") or "model"
        if asked.get("organization") not in (None, USER):
            return self._json(403, {"error": f"You don't have the rights under {asked['organization']}"})
        name = f"{USER}/{asked['name']}"
        url = {"url": f"{self.hub.url}/{'spaces/' if kind == 'space' else ''}{name}"}
        if (kind, name) in self.hub.store.repositories:
            return self._json(409, {**url, "error": "You already created this repo"})
        self.hub.store.create(kind, name, asked.get("visibility") == "private", asked.get("sdk"))
        return self._json(200, url)

    def _validate(self, content: str) -> None:
        """As the Hub: the front matter must be YAML, and its license an identifier."""
        found = re.match(r"---\n(.*?)\n---", content, re.DOTALL)
        data = yaml.safe_load(found[1]) if found else {}
        errors = [] if isinstance(data.get("license", ""), str) else [{"message": '"license" must be a string'}]
        return self._json(400 if errors else 200, {"errors": errors, "warnings": []})

    def _api(self, repository: Repository, body: bytes, what: str | None) -> None:
        action, _, revision = (what or "revision/main").partition("/")
        store = self.hub.store
        if action == "branch":
            if revision in repository.branches:
                return self._json(409, {"error": "Reference already exists"})
            repository.branches[revision] = list(repository.branches["main"])
            return self._json(200, {})
        if action == "variables":
            asked = json.loads(body)
            repository.variables[asked["key"]] = asked["value"]
            return self._json(200, {asked["key"]: {"key": asked["key"], "value": asked["value"]}})
        commit = repository.at(revision)
        if commit is None:
            return self._json(404, {}, {"X-Error-Code": "RevisionNotFound"})
        if action == "preupload":
            return self._json(200, {"files": store.preupload(repository, revision, json.loads(body)["files"])})
        if action == "commit":
            try:
                made = store.commit(repository, revision, map(json.loads, body.splitlines()))
            except KeyError as error:
                return self._json(422, {"error": str(error)})
            page = f"{self.hub.url}/{repository.name}/commit/{made.oid}"
            return self._json(200, {"success": True, "commitOid": made.oid, "commitUrl": page})
        files = store.files(repository, revision)
        if action == "tree":
            return self._json(200, [self._entry(name, data) for name, data in files.items()])
        siblings = [{"rfilename": name, "size": len(data), "blobId": "0"} for name, data in files.items()]
        about = {"id": repository.name, "sha": commit.oid, "private": repository.private, "tags": []}
        return self._json(200, {**about, "siblings": siblings, "cardData": _card(files)})

    @staticmethod
    def _entry(name: str, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        large = {"lfs": {"oid": digest, "size": len(data), "pointerSize": 134}} if is_large(name, len(data)) else {}
        return {"type": "file", "path": name, "size": len(data), "oid": digest[:40], **large}

    def _batch(self, repository: Repository, body: bytes) -> None:
        del repository
        objects = json.loads(body)["objects"]
        for one in objects:
            if one["oid"] not in self.hub.store.contents:
                one["actions"] = {"upload": {"href": f"{self.hub.url}/storage/{one['oid']}"}}
        return self._json(200, {"transfer": "basic", "objects": objects})

    def _keep(self, oid: str) -> None:
        """One large file, which must have the announced hash; the storage takes signed addresses and no token."""
        size = int(self.headers["Content-Length"])
        if self.hub.breaks:
            self.hub.breaks -= 1
            self.rfile.read(size // 2)
            return self._json(410, {"error": "broken off"})
        data = self.rfile.read(size)
        if hashlib.sha256(data).hexdigest() != oid:
            return self._json(400, {"error": "the content has another hash"})
        self.hub.sent.append(self.hub.store.keep(data))
        return self._json(200, {})

    def _file(self, repository: Repository, body: bytes, revision: str, name: str) -> None:
        del body
        commit = repository.at(revision)
        if commit is None or name not in commit.files:
            return self._json(404, {}, {"X-Error-Code": "EntryNotFound"})
        headers = {"ETag": f'"{commit.files[name]}"', "X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        return self._send(200, self.hub.store.contents[commit.files[name]], headers)

    def _json(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        return self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.close_connection = status >= 400  # a body may be unread
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _card(files: Mapping[str, bytes]) -> dict[str, Any]:
    found = re.match(rb"---\n(.*?)\n---", files.get("README.md", b""), re.DOTALL)
    return yaml.safe_load(found[1]) if found else {}
