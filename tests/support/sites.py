"""A web server on loopback for tests of pictures that are fetched by URL."""

from __future__ import annotations

import gzip
import threading
import zlib
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from tests.support.pictures import encoded


class Site(BaseHTTPRequestHandler):
    """A picture, redirects of every kind, and broken, endless, slow or compressed replies, each at its own path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.strip("/").partition("/")[0].partition("?")[0]
        getattr(self, name)()

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

    def redirect(self, location: str, status: int = 302) -> None:
        self.send(b"", status, location=location)

    def absolute(self) -> None:
        self.redirect(f"http://{self.headers['host']}/good")

    def other_scheme_case(self) -> None:
        self.redirect(f"HTTP://{self.headers['host'].upper()}/good")

    def no_scheme(self) -> None:
        self.redirect(f"//{self.headers['host']}/good")

    def relative(self) -> None:
        self.redirect("./other/../good")

    def with_part(self) -> None:
        self.redirect("/good#part")

    def permanent(self) -> None:
        self.redirect("/good", 308)

    def typed(self) -> None:
        self.send(encoded(), content_type=unquote(self.path.partition("?")[2]))

    def gzipped(self) -> None:
        self.send(gzip.compress(encoded()), content_encoding="gzip")

    def GZIPPED(self) -> None:
        self.send(gzip.compress(encoded()), content_encoding="GZip")

    def deflated(self) -> None:
        self.send(zlib.compress(encoded()), content_encoding="deflate")

    def identity(self) -> None:
        self.send(encoded(), content_encoding="Identity")

    def padded(self) -> None:
        self.send(gzip.compress(encoded()) + bytes(200_000), content_encoding="gzip")

    def empty_blocks(self) -> None:
        deflated = zlib.compress(encoded())
        empty = b"\x00\x00\x00\xff\xff"  # a stored block without content
        self.send(deflated[:2] + 40_000 * empty + deflated[2:], content_encoding="deflate")

    def brotli(self) -> None:
        self.send(encoded(), content_encoding="br")

    def no_gzip(self) -> None:
        self.send(encoded(), content_encoding="gzip")

    def half_gzip(self) -> None:
        self.send(gzip.compress(encoded())[:-9], content_encoding="gzip")

    def no_content(self) -> None:
        self.send(b"", 204)

    def exact(self) -> None:
        self.send(encoded(), 200 if self.path == "/exact/a%20b%2Fc%C3%BC.png?x=%26&y=" else 404)

    def polite(self) -> None:
        names = ("host", "user-agent", "accept", "accept-encoding")
        sent = [self.headers[name] for name in names]
        expected = [f"pictures.test:{self.server.server_port}", "vqaserve", "image/*", "identity"]
        self.send(encoded(), 200 if sent == expected else 400)

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
