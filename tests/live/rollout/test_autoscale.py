"""The number of workers follows the load, and each change gives its reason."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.pictures import encoded
from tests.support.rollout import ModelsCommand, asking
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.client import Client
from vqaops.server.server import Server

SLOW = {'        return [f"': "        __import__('time').sleep(0.1)\n        return [f\""}


def test_workers_follow_the_load_up_and_down_and_clients_that_ask_again_miss_no_answer(
    models: ModelsCommand, record_property: Callable[[str, object], None]
):
    models.json("register", models.archive("1.1.0", SLOW, handler="  gate:\n    max_latency_ratio: 1000\n"))
    models.json("promote", "1.1.0")
    words = ["autoscale", "--min", "1", "--max", "2", "--queue-ms", "20", "--interval", "0.3", "--seconds", "180"]
    command = [sys.executable, str(ROOT / "scripts" / "models.py"), *words, "--json", "--run", str(models.server.run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        with asking(models.server, 16) as traffic:  # two batches: one is computed, one waits
            up = json.loads(following.stdout.readline())
        with asking_again(models.server) as light:  # some requests meet the end of a worker, which waits for none
            # A worker that is never idle for long enough stays, and is tried again later.
            steps = map(json.loads, following.stdout)
            down = next(step for step in steps if "; not done: " not in step["reason"])
        following.terminate()
    assert (up["before"], up["workers"]) == (1, 2)
    assert "requests waited" in up["reason"]
    assert (down["before"], down["workers"]) == (2, 1)
    assert traffic.wrong == []
    assert light.answered > 0
    assert light.failed == []
    record_property("sent again", light.sent - light.answered)
    assert models.ready()["1.1.0"] == 1
    scaled = [event["figures"] for event in models.history() if event["action"] == "scale"]
    assert [figures["max"] for figures in scaled] == [2, 1]
    assert all(figures["reason"] for figures in scaled)


@dataclass
class Light:
    """Counts of one connection that retries."""

    sent: int = 0
    answered: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def asking_again(server: Server) -> Iterator[Light]:
    """Ask two questions a second until the block ends."""
    light, ending = Light(), threading.Event()

    def count(_: httpx.Request) -> None:
        light.sent += 1

    def ask() -> None:
        addresses = server.client.addresses
        with addresses.pool() as pool:
            pool.event_hooks = {"request": [count]}
            client = Client(addresses, server.client.key_file, pool)
            while not ending.wait(0.4):  # pauses in which a worker can be ended
                try:
                    client.ask("dummy", encoded(), "light?")
                    light.answered += 1
                except ServerError as error:
                    light.failed.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield light
    finally:
        ending.set()
        thread.join()
