"""Whether a version still has requests to answer.

TorchServe ends workers without waiting: the requests that they are answering get 500 or no reply. It reports how many
requests are in the queue, but not which ones workers are answering. One bound is certain: a worker has at most
``responseTimeout`` for a batch, after which TorchServe gives the batch up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil

from vqaops.errors import ServerError
from vqaops.rollout.request_counts import requests_naming
from vqaops.server.management import Management, RegisteredVersion

MARGIN_SECONDS = 1
POLL_SECONDS = 0.2
IDLE_SECONDS = 0.05


def drain(management: Management, name: str, version: str, patience: float) -> Iterator[float]:
    """Wait until a version can have no request left; yields the seconds for which it has been quiet.

    Quiet means that its queue is empty and that no request named it, as in ``/predictions/<model>/<version>``. After
    ``responseTimeout`` of that, every request that it got is answered or given up. It must not be the default version:
    requests that name no version would still come, and are not counted by version.

    Args:
        management: The management API of the running server.
        name: The model.
        version: A version that is not the default.
        patience: Seconds for which clients may go on naming the version.

    Raises:
        ServerError: Clients still name this version.
    """
    began = quiet_since = time.monotonic()
    asked = first = requests_naming(management.client, name, version)
    while True:
        state = management.version(name, version)
        now, count = time.monotonic(), requests_naming(management.client, name, version)
        if state.pending or count != asked:
            asked, quiet_since = count, now
        if not state.workers or now - quiet_since > state.response_timeout + MARGIN_SECONDS:
            return
        if now - began > patience + state.response_timeout:
            raise ServerError(
                f"{name} {version} is still named by clients: {count - first:.0f} requests in the last "
                f"{now - began:.0f} s; let them ask /predictions/{name}, or give --force"
            )
        yield now - quiet_since
        time.sleep(POLL_SECONDS)


def is_idle(version: RegisteredVersion, newest: int | None = None) -> bool:
    """Whether a version's queue is empty and its workers used no CPU for a twentieth of a second.

    A worker that waits without computing, as for a picture from another host, counts as idle.

    Args:
        version: The version, as TorchServe has just described it.
        newest: Check only this many workers, those that scaling down ends first; all by default.
    """
    if version.pending:
        return False
    workers = version.workers[-newest:] if newest else version.workers
    before = [_work(worker.pid) for worker in workers]
    time.sleep(IDLE_SECONDS)
    after = [_work(worker.pid) for worker in workers]
    return None not in after and before == after


def wait_idle(management: Management, seconds: float) -> bool:
    """Wait until every version of every model is idle; return False if one is not after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        versions = [version for name in management.models() for version in management.versions(name)]
        if all(is_idle(version) for version in versions):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)


def _work(pid: int) -> list[tuple[float, int]] | None:
    """CPU seconds and context switches of a worker and its children; None unless all of them sleep."""
    try:
        worker = psutil.Process(pid)
        family = [worker, *worker.children(recursive=True)]
        if any(process.status() != psutil.STATUS_SLEEPING for process in family):
            return None
        return [(sum(process.cpu_times()[:2]), sum(process.num_ctx_switches())) for process in family]
    except psutil.NoSuchProcess:
        return None
