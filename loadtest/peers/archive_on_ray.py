"""Our archive behind Ray Serve, by the command that users start: the same handler with token, limits and caches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.pairs import PairRequest
from loadtest.peers.known_peers import InstalledPeer
from loadtest.peers.peer_process import ComparedServer, peer_process
from vqaops.server.ports import free_ports
from vqaops.server.server import Server
from vqaops.store.archive import Archive


@contextmanager
def start_archive(
    installed: InstalledPeer, archive: Archive, request: PairRequest, folder: Path
) -> Iterator[ComparedServer]:
    """Yield a running ``python -m deploy.ray serve`` with a cluster of its own; it stops with the block.

    Args:
        installed: Ray, and the interpreter that has it.
        archive: What it serves.
        request: The first request; the server is ready when it is answered.
        folder: Folder for its files, emptied first; its log remains.

    Raises:
        ServerError: The server ends, or is not ready in time.
    """
    run, port = folder.resolve() / "run", str(free_ports(1)[0])
    words = ["deploy.ray", "serve", str(archive.path.resolve()), "--run", str(run), "--port", port]
    with peer_process(installed, words, folder, {}) as starting:
        printed = folder / "log"
        starting.wait_for(
            lambda: "" if b"Serving at" in printed.read_bytes() else "its replicas have not loaded the model"
        )
        token = Server(run).client.token("inference")
        yield starting.first_answer(f"http://127.0.0.1:{port}", token, archive.name, request)
