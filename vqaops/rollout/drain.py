"""Whether a version still has anything in hand.

TorchServe ends workers without waiting: what they compute is answered with 500 or never. It also does not say what they
have in hand, only how many requests wait in the queue. So this goes by what is sure: a worker has at most
``responseTimeout`` for a batch, after which TorchServe itself gives it up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil

from vqaops.errors import ServerError
from vqaops.rollout.request_counts import asked_by_number
from vqaops.server.management import Management, RegisteredVersion

MARGIN_SECONDS = 1
POLL_SECONDS = 0.2
GLANCE_SECONDS = 0.05


def drain(management: Management, name: str, version: str, patience: float) -> Iterator[float]:
    """Wait until nothing of a version can be in hand; yields the seconds that it has been quiet.

    Quiet means that its queue is empty and nobody asked for it by its number, as clients of
    ``/predictions/<model>/<version>/v1`` do. After ``responseTimeout`` of that, every request it ever got is over. It
    must not be the default: what asks for no number would then go on coming, uncounted.

    Args:
        management: Of the running server.
        name: The model.
        version: Not the default one.
        patience: Seconds after which somebody still asking is an error.

    Raises:
        ServerError: Somebody still asks for this version.
    """
    began = quiet_since = time.monotonic()
    asked = first = asked_by_number(management.client, name, version)
    while True:
        state = management.version(name, version)
        now, count = time.monotonic(), asked_by_number(management.client, name, version)
        if state.pending or count != asked:
            asked, quiet_since = count, now
        if not state.workers or now - quiet_since > state.response_timeout + MARGIN_SECONDS:
            return
        if now - began > patience + state.response_timeout:
            raise ServerError(
                f"{name} {version} is still asked for by its number: {count - first:.0f} requests in the last "
                f"{now - began:.0f} s; send these clients to /predictions/{name}, or give --force"
            )
        yield now - quiet_since
        time.sleep(POLL_SECONDS)


def is_idle(version: RegisteredVersion, newest: int | None = None) -> bool:
    """Whether a version's queue is empty and its workers have done nothing for a twentieth of a second.

    Args:
        version: As described just now.
        newest: Look at this many workers alone, the ones that scaling down ends first.

    What a worker waits for without computing (a picture from another host) is not seen.
    """
    if version.pending:
        return False
    workers = version.workers[-newest:] if newest else version.workers
    before = [_work(worker.pid) for worker in workers]
    time.sleep(GLANCE_SECONDS)
    after = [_work(worker.pid) for worker in workers]
    return None not in after and before == after


def wait_idle(management: Management, seconds: float) -> bool:
    """Wait until no version of any model does anything; False when it still does after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        versions = [version for name in management.models() for version in management.versions(name)]
        if all(is_idle(version) for version in versions):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)


def _work(pid: int) -> list[tuple[float, int]] | None:
    """CPU seconds and times put aside of a worker and of what it has started; None if one of them does not sleep."""
    try:
        worker = psutil.Process(pid)
        family = [worker, *worker.children(recursive=True)]
        if any(process.status() != psutil.STATUS_SLEEPING for process in family):
            return None
        return [(sum(process.cpu_times()[:2]), sum(process.num_ctx_switches())) for process in family]
    except psutil.NoSuchProcess:
        return None
