"""The memory of a version's workers, measured on real processes."""

from __future__ import annotations

import subprocess
import sys

import psutil

from vqaops.rollout.listing import memory
from vqaops.server.client import WorkerProcess
from vqaops.server.management import RegisteredVersion


def version(*pids: int) -> RegisteredVersion:
    workers = tuple(WorkerProcess(pid, "READY", "2026-01-01T00:00:00Z") for pid in pids)
    return RegisteredVersion("dummy", "1.0.0", "dummy-1.0.0.mar", len(pids), len(pids), workers, 0, 100, 30, 120)


def test_memory_counts_what_a_worker_has_started_and_passes_over_workers_without_a_process():
    # The shell starts a second process, which uses more memory than the shell.
    command = ["sh", "-c", f"{sys.executable} -c 'print(1, flush=True); input()'; exit"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline()
        alone = psutil.Process(worker.pid).memory_info().rss
        assert memory(version(worker.pid, -1)) > 2 * alone > 0
        worker.stdin.close()
