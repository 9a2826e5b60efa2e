"""A small server on loopback with the part of the Hugging Face Hub's API that downloads use."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

NOT_FOUND = {"X-Error-Code": "RepoNotFound"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A repository, and the requests for it.

    Attributes:
        repo: ``ORG/NAME``; all others are unknown.
        files: Contents by name.
        token: The token that requests need, or None.
        card: Metadata of the repository's card.
        cuts: Files whose transfer breaks off half-way, with the number of times.
        fails: Files that answer 410, which the client does not retry.
        fetched: Name and ``Range`` header of each file request, in order.
    """

    repo: str
    files: Mapping[str, bytes]
    token: str | None = None
    card: Mapping[str, object] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    fetched: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    @classmethod
    def of_folder(cls, repo: str, folder: Path) -> Hub:
        """A repository with a folder's files."""
        return cls(
            repo, {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        )

    @property
    def names(self) -> set[str]:
        """Names of the files that were fetched."""
        return {name for name, _ in self.fetched}

    @contextmanager
    def running(self) -> Iterator[Hub]:
        """Serve on a free port of loopback until the block ends."""
        hub = self

        class Handler(_Handler):
            @property
            def hub(self) -> Hub:
                return hub

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            yield self
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        given = self.headers.get("Authorization")
        if self.hub.token and given != f"Bearer {self.hub.token}":
            # As on the Hub: a wrong token is reported, and without a token a repository looks missing.
            error = {"X-Error-Message": "Invalid credentials in Authorization header"} if given else NOT_FOUND
            return self._send(401, b"{}", with_body, error)
        api, files = f"/api/models/{self.hub.repo}", f"/{self.hub.repo}/resolve/{COMMIT}/"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            return self._send(200, self._info(), with_body)
        if path == f"{api}/tree/{COMMIT}":
            return self._send(200, self._tree(), with_body)
        if path.startswith(files) and path.removeprefix(files) in self.hub.files:
            return self._file(path.removeprefix(files), with_body)
        code = "RevisionNotFound" if path.startswith(f"{api}/revision/") else "RepoNotFound"
        return self._send(404, b"{}", with_body, {"X-Error-Code": code})

    def _info(self) -> bytes:
        siblings = [{"rfilename": name, "size": len(data), "blobId": "0"} for name, data in self.hub.files.items()]
        info = {"id": self.hub.repo, "sha": COMMIT, "siblings": siblings, "tags": [], "cardData": dict(self.hub.card)}
        return json.dumps(info).encode()

    def _tree(self) -> bytes:
        files = self.hub.files.items()
        return json.dumps(
            [{"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in files]
        ).encode()

    def _file(self, name: str, with_body: bool) -> None:
        data = self.hub.files[name]
        if with_body:
            self.hub.fetched.append((name, self.headers.get("Range")))
        if name in self.hub.fails:
            return self._send(410, b"{}", with_body)
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        part = data[start:]
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
            "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
        }
        cut = with_body and self.hub.cuts.get(name, 0) > 0
        if cut:
            self.hub.cuts[name] -= 1
        return self._send(206 if start else 200, part, with_body, headers, part[: len(part) // 2] if cut else part)

    def _send(
        self,
        status: int,
        body: bytes,
        with_body: bool,
        headers: Mapping[str, str] | None = None,
        sent: bytes | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body if sent is None else sent)
            self.close_connection = sent is not None and len(sent) < len(body)
