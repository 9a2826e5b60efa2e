"""Stubs of machines behind a gateway, which answer with their port."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Machine(ThreadingHTTPServer):
    """Answers with its port; while ``gate`` is closed it keeps the requests. ``asked`` has the path of each."""

    daemon_threads = True

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        self.server.gate.wait(20)
        answer = str(self.server.port).encode()
        self.send_response(503 if self.path.endswith("9.9.9") else 200)
        self.send_header("X-Asked", self.path)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass
