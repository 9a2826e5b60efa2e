"""Replicas of Ray Serve that hang, and a queue that is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.live.test_errors import Asker
from tests.support.gateways import RunningGateway, ask, check_error
from tests.support.ray_servers import replicas, retrying, serving_with_ray
from tests.support.recipes import RecipeMaker
from tests.support.rollout import asking, rewrite, versioned
from tests.support.waiting import until
from vqaops.building.build import build
from vqaops.server.server import Server

pytestmark = pytest.mark.ray

QUEUE, REPLICAS, TOO_MANY = 8, 2, 3
CONFIG = f"responseTimeout: 10\njobQueueSize: {QUEUE}\n"
HANG = """
        import os, re, time
        while os.path.exists({wait!r}):
            time.sleep(0.01)
        hangs = {{{sleep!r}: lambda: time.sleep(3600), {lock!r}: lambda: re.match("(a*)*b", "a" * 60)}}
        for path, hang in hangs.items():
            try:
                os.unlink(path)  # one replica hangs
            except FileNotFoundError:
                continue
            hang()
        return [f"
"""


@dataclass(frozen=True)
class Faulty:
    """A server of two replicas of ``dummy``.

    Attributes:
        server: The server.
        wait: While this file exists, they wait.
        hangs: The replica that finds one of these files removes it and hangs: ``sleep`` lets other threads run,
            ``lock`` keeps Python's lock, as a regular expression does.
    """

    server: Server
    wait: Path
    hangs: Mapping[str, Path]


@pytest.fixture(scope="module")
def faulty(run_folder: Callable[[], Path], make_recipe: RecipeMaker) -> Iterator[Faulty]:
    folder = run_folder()
    wait, hangs = folder / "wait", {name: folder / name for name in ("sleep", "lock")}
    recipe = versioned(make_recipe, "1.0.0", config=CONFIG)
    config = recipe / "model-config.yaml"
    config.write_text(config.read_text().replace("batchSize: 8", "batchSize: 1"))
    archive = build(recipe, folder / "store")
    code = HANG.format(wait=str(wait), **{name: str(path) for name, path in hangs.items()}).strip("\n")
    rewrite(archive, "vqaserve/families/dummy.py", {'        return [f"': code})
    number = str(REPLICAS)
    options = ("--cpus", "4", "--min-replicas", number, "--max-replicas", number)
    with serving_with_ray(folder, archive.path, options=options) as server:
        yield Faulty(server, wait, hangs)


@pytest.mark.parametrize("hang", ["sleep", "lock"])
def test_a_replica_that_hangs_is_replaced_and_fails_only_what_it_had(faulty: Faulty, hang: str):
    server = faulty.server
    with asking(server, 4, pause=0.02) as plain, retrying(server, 1) as answers:
        plain.wait_for("1.0.0")
        faulty.hangs[hang].touch()
        until(lambda: replicas(server) < REPLICAS, "Ray notices that the replica has ended")
        answered = plain.answered["1.0.0"]
        until(lambda: plain.answered["1.0.0"] > answered, "the other replica answers")
        until(lambda: replicas(server) == REPLICAS, "Ray starts another replica")
    # What it had: the request that it computed, and the next one. A replica that keeps Python's lock may not have told
    # Ray that it accepted them; Ray then sends them to the other one.
    assert (hang == "sleep") <= len(plain.wrong) <= 2, plain.wrong
    assert all(wrong.startswith("500 ") and "Worker died." in wrong for wrong in plain.wrong), plain.wrong
    assert set(answers) == {"4x3 #ff0000: what?"}


def test_a_full_queue_is_503_with_a_time_to_retry_and_the_others_are_answered(
    faulty: Faulty, new_gateway: Callable[..., RunningGateway]
):
    with new_gateway(faulty.server.run).client() as through_gateway:
        straight = Asker(faulty.server)
        # Questions that no cache has answered.
        for send in (
            lambda n: straight.form(question=f"{n}?"),
            lambda n: ask(through_gateway, question=f"{n}, again?"),
        ):
            replies = replies_at_once(faulty, send)
            refused = [reply for reply in replies if reply.status_code != 200]
            assert TOO_MANY <= len(refused) <= len(replies) - QUEUE  # Ray may refuse a few more
            for reply in refused:
                assert check_error(reply, 503) == "ServiceUnavailableException"
                assert reply.headers["retry-after"] == "1"


def replies_at_once(faulty: Faulty, send: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """The replies to more requests than two replicas and the queue hold; none is answered before some are refused."""
    count = 2 * REPLICAS + QUEUE + TOO_MANY  # a replica has the request that it computes, and the next one
    with ThreadPoolExecutor(count) as pool:
        faulty.wait.touch()
        try:
            replies = [pool.submit(send, number) for number in range(count)]
            until(lambda: sum(reply.done() for reply in replies) >= TOO_MANY, "some are refused")
        finally:
            faulty.wait.unlink()
        return [reply.result() for reply in replies]
