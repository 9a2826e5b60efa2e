"""A web server on loopback for tests of what is fetched."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler

from tests.support.pictures import encoded


class Site(BaseHTTPRequestHandler):
    """A web server on loopback with every kind of trouble."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        getattr(self, self.path.strip("/").partition("/")[0])()

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": "image/png", "content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        self.send(encoded())

    def html(self) -> None:
        self.send(b"<html>", content_type="text/html")

    def missing(self) -> None:
        self.send(b"", 404)

    def once(self) -> None:
        self.send(b"", 302, location="/good")

    def loop(self) -> None:
        self.send(b"", 302, location="/loop")

    def inside(self) -> None:
        self.send(b"", 302, location=f"http://127.0.0.1:{self.server.server_port}/good")

    def elsewhere(self) -> None:
        self.send(b"", 302, location="file:///etc/passwd")

    def broken(self) -> None:
        self.send(b"", 302, location="https://[")

    def latin(self) -> None:
        self.send(b"", 302, location="/\xfc.jpg")

    def bomb(self) -> None:
        self.send(gzip.compress(b"\0" * 50_000_000), content_encoding="gzip")

    def endless(self) -> None:
        self.stream(b"x" * 10_000, pause=0)

    def slow(self) -> None:
        self.stream(b"x", pause=0.05)

    def stream(self, piece: bytes, pause: float) -> None:
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for _ in range(1000):  # bounded, though the client should hang up long before
                self.wfile.write(piece)
                self.wfile.flush()
                threading.Event().wait(pause)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass
