"""The time for which a machine is watched after its promotion, before the next machine is changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vqaops.fleet.machine import FAULTS, Look, Machine


@dataclass(frozen=True, slots=True)
class Bake:
    """Watches a promoted version while clients ask it.

    Attributes:
        seconds: How long; 0 does not watch.
        interval: Seconds between two looks.
    """

    seconds: float = 0.0
    interval: float = 5.0

    def fault(self, machine: Machine, model: str, version: str, progress: Callable[[str], None]) -> str:
        """The first fault of a machine in this time; empty if there is none.

        Faults are a request that failed, a version without a ready worker or no longer the default, a server that was
        restarted, and a machine that does not answer. Requests of other models count: they share the machine.

        Args:
            machine: The machine.
            model: The model.
            version: Its new default version.
            progress: Shows how long it is still watched.
        """
        end = time.monotonic() + self.seconds
        first: Look | None = None
        while (left := end - time.monotonic()) > 0 or first is None:
            progress(f"{machine.name}: {model} {version} is watched for {max(0.0, left):.0f} s more")
            try:
                look = machine.look()
            except FAULTS as error:
                return str(error)
            first = first or look
            if found := _fault(first, look, model, version):
                return found
            time.sleep(max(0.0, min(self.interval, end - time.monotonic())))
        return ""


NO_BAKE = Bake()


def _fault(first: Look, look: Look, model: str, version: str) -> str:
    served = look.version(model, version)
    if not look.is_at(model, version) or served is None:
        return f"{model} {version} is no longer the default"
    if not served.ready:
        return f"{model} {version} has no ready worker"
    if first.failed is None or look.failed is None:
        return "its metrics do not say how many requests failed"
    if look.failed < first.failed:
        return "its counters began anew: TorchServe was restarted"
    count = look.failed - first.failed
    return f"{count} request{'s' if count > 1 else ''} failed with 5xx since the promotion" if count else ""
