"""A container of an image without an engine: namespaces, a chroot, and the file system that buildah mounts."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PROGRAMS = ("buildah", "mmdebstrap", "curl", "ip", "nsenter", "setpriv", "unshare")
_DROPPED = "--clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"


def output(*command: str | Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@dataclass(frozen=True)
class Container:
    """A running container: read-only, without root, capabilities or a network; its volume is empty at the start.

    Attributes:
        config: The image's configuration, as of Docker.
        root: Its file system, as this machine sees it.
        process: The image's command.
        began: When it was started, on the monotonic clock.
    """

    config: dict[str, Any]
    root: Path
    process: psutil.Process
    began: float

    def run(self, *words: str) -> str:
        """What another command prints in the container."""
        inside = ["nsenter", f"--target={self.process.pid}", "--net", "--mount", "--pid"]
        return output(*inside, "sh", "-c", _inside(self.config, self.root, words))

    def curl(self, *words: str) -> str:
        """What curl of this machine prints in the container's network."""
        return output("nsenter", f"--target={self.process.pid}", "--net", "curl", "-sS", "--insecure", *words)


def _inside(config: dict[str, Any], root: Path, words: Sequence[str]) -> str:
    """A shell's command that becomes the words, as the image's user in the image's folder and environment."""
    user, group = config["User"].split(":")
    command = f"cd {shlex.quote(config['WorkingDir'])} && exec {shlex.join(words)}"
    become = f"setpriv --reuid={user} --regid={group} {_DROPPED} env -i {shlex.join(config['Env'])}"
    return f"exec chroot {shlex.quote(str(root))} {become} sh -c {shlex.quote(command)}"


@contextmanager
def running(image: str) -> Iterator[Container]:
    """Start an image's command; whatever is left of it is ended with the block."""
    config = json.loads(output("buildah", "inspect", "--type", "image", image))["Docker"]["config"]
    container = output("buildah", "from", image)
    root = Path(output("buildah", "mount", container))
    volume = root / next(iter(config["Volumes"])).lstrip("/")
    user = config["User"].partition(":")[0]
    begin = f"""set -e
        ip link set lo up
        mount --bind {root} {root}
        mount -o remount,bind,ro {root}
        mount -t tmpfs -o uid={user},gid={user},mode=700 volume {volume}
        mount -t proc proc {root}/proc
        mount --rbind /dev {root}/dev
        {_inside(config, root, [*config["Entrypoint"], *config["Cmd"]])}"""
    began = time.monotonic()
    unshared = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", begin]
    try:
        with subprocess.Popen(unshared, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            try:
                while not (children := psutil.Process(process.pid).children()):
                    assert process.poll() is None, "the container ended at once"
                    time.sleep(0.01)
                yield Container(config, root, children[0], began)
            finally:
                process.kill()
    finally:
        subprocess.run(["buildah", "rm", container], capture_output=True)
