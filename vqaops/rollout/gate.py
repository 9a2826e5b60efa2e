"""Whether a new version may replace the current one: both answer the recipe's samples, and the gates compare them.

Both go on serving meanwhile. The client does not retry: here a failure is a result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.replies import best_answer
from vqaops.server.retry import NEVER
from vqaops.store.archive import ArchivedSample
from vqaops.unseen_pictures import TAG_BYTES, unseen_copy
from vqaserve.settings import Gate

ROUNDS = 10
LEAST_ROUNDS = 3
SECONDS = 60
"""No round starts later, after the first three: a slow model is compared on fewer rounds."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of a gate: what was measured, what is allowed, and whether the gate was passed.

    Attributes:
        value: The figure: seconds (smoke), a share (agreement, accuracy) or a ratio (latency); None if there is none.
    """

    gate: str
    value: float | None
    measured: str
    allowed: str
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """A version's answer to a question, and the seconds that it took."""

    answer: str
    seconds: float


def smoke(client: Client, name: str, version: str, sample: ArchivedSample) -> GateResult:
    """Ask a version one question; any answer passes."""
    try:
        asked = _ask(replace(client, retry=NEVER), name, version, sample, b"")
    except ServerError as error:
        return GateResult("smoke", None, str(error), "an answer", passed=False)
    return GateResult(
        "smoke", asked.seconds, f"{asked.answer!r} in {1000 * asked.seconds:.0f} ms", "an answer", passed=True
    )


def compare(
    client: Client, name: str, current: str, new: str, samples: Sequence[ArchivedSample], gate: Gate
) -> Iterator[GateResult]:
    """Ask both versions every sample in several rounds, alternately, and yield the results of the gates.

    Random bytes after the end of each picture, which decoders do not read, make it new to the workers' caches: the
    gates compare the models, not the caches.
    """
    try:
        rounds = _rounds(replace(client, retry=NEVER), name, (current, new), samples)
    except ServerError as error:
        yield GateResult("answers", None, str(error), "an answer to every sample", passed=False)
        return
    answers = [{version: asked.answer for version, asked in pair.items()} for pair in rounds[0]]
    same = _share([pair[current] == pair[new] for pair in answers])
    right = {
        version: _share([sample.answers[:1] == (pair[version],) for pair, sample in zip(answers, samples, strict=True)])
        for version in (current, new)
    }
    best = {
        version: sum(min(one[index][version].seconds for one in rounds) for index in range(len(samples)))
        for version in (current, new)
    }
    yield GateResult(
        "agreement",
        same,
        f"{same:.0%} of {len(samples)} answers are the same as {current}'s",
        f"at least {gate.min_agreement:.0%}",
        same >= gate.min_agreement,
    )
    yield GateResult(
        "accuracy",
        right[new],
        f"{right[new]:.0%} right, {current} {right[current]:.0%}",
        f"at most {gate.max_accuracy_loss:.0%} less",
        right[current] - right[new] <= gate.max_accuracy_loss + 1e-9,
    )
    # The fastest of several rounds, as in timeit: other load on the machine only adds time.
    ratio = best[new] / best[current]
    yield GateResult(
        "latency",
        ratio,
        f"{ratio:.2f} times {current}'s ({1000 * best[new] / len(samples):.1f} ms an answer, "
        f"{1000 * best[current] / len(samples):.1f} ms; the best of {len(rounds)} rounds)",
        f"at most {gate.max_latency_ratio:g} times",
        ratio <= gate.max_latency_ratio,
    )


def _rounds(
    client: Client, name: str, versions: tuple[str, str], samples: Sequence[ArchivedSample]
) -> list[list[dict[str, TimedAnswer]]]:
    """Each version's answer to each sample in each round; the version that is asked first alternates."""
    began = time.monotonic()
    rounds: list[list[dict[str, TimedAnswer]]] = []
    while len(rounds) < LEAST_ROUNDS or (len(rounds) < ROUNDS and time.monotonic() - began < SECONDS):
        order = versions if len(rounds) % 2 else versions[::-1]
        tag = os.urandom(TAG_BYTES)
        rounds.append([{version: _ask(client, name, version, sample, tag) for version in order} for sample in samples])
    return rounds


def _ask(client: Client, name: str, version: str, sample: ArchivedSample, tag: bytes) -> TimedAnswer:
    began = time.perf_counter()
    reply = client.ask(f"{name}/{version}", unseen_copy(sample.picture, tag), sample.form)
    seconds = time.perf_counter() - began
    if reply["model"] != {"name": name, "version": version}:
        raise ServerError(f"{reply['model']} answered a question to {name} {version}; the server confuses versions")
    return TimedAnswer(best_answer(reply), seconds)


def _share(marks: Sequence[bool]) -> float:
    return sum(marks) / len(marks)
