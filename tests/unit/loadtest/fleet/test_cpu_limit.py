from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loadtest.fleet.cpu_limit import PERIOD_US, cpu_limit
from vqaops.errors import ServerError

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"


def test_a_process_and_its_children_are_limited_together_and_the_group_ends_after_them():
    try:
        with cpu_limit(0.25, "test") as group:
            limits = [file.read_text().split() for file in group.folder.glob("cpu.*") if file.name in LIMITS]
            with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE) as process:
                parent = psutil.Process(process.pid)
                while not parent.children():
                    pass
                group.add(parent)
                both = {parent.pid, *(one.pid for one in parent.children())}
                grouped = {int(pid) for pid in (group.folder / "cgroup.procs").read_text().split()}
                process.communicate(b"\n")
    except ServerError as error:
        pytest.skip(f"{error}")
    assert {word for words in limits for word in words} == {str(PERIOD_US // 4), str(PERIOD_US)}
    assert grouped == both
    assert not group.folder.exists()


LIMITS = {"cpu.max", "cpu.cfs_period_us", "cpu.cfs_quota_us"}


def test_a_system_without_the_controller_is_named(tmp_path: Path):
    mounts = tmp_path / "mounts"
    mounts.write_text("tmpfs /tmp tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n")
    with (
        pytest.raises(ServerError, match="no control groups for CPU time; run without a limit"),
        cpu_limit(1, "test", mounts),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"cgroup {tmp_path}/missing cgroup rw,cpu 0 0\n")
    with (
        pytest.raises(ServerError, match=r"cannot be limited in .*missing .*; run as root, or without a limit"),
        cpu_limit(1, "test", mounts),
    ):
        pass
