"""The share of pictures whose features a fleet recalls, by the way in which its gateway chooses a machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from operator import sub

import numpy as np

from loadtest.bench.mixes import chat
from loadtest.bench.photographs import photographs
from loadtest.fast_client import FastClient
from loadtest.fleet.servers import Counts, Fleet, Machine, RoundRobin, nginx_of, plain_address
from loadtest.loops import closed_loop
from loadtest.pairs import QUESTIONS, Pair, all_pairs
from loadtest.process_usage import cpu_seconds
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway

PHOTOGRAPHS = 24
COUNT_SECONDS = 30.0
"""TorchServe counts a request shortly after its reply."""
BALANCES = ("round robin", "least busy", "pictures")
COLUMNS = (
    *("questions a chat", "balance", "answers", "recalled", "expected", "hottest machine"),
    *("p50 ms", "p95 ms", "machines' CPU ms", "gateway's CPU ms"),
)


def expected_recall(questions: int, machines: int, balance: str) -> float:
    """The share of a chat's questions whose picture its machine has seen.

    If a picture stays on its machine, only its first question is not recalled. Other choices know nothing of pictures;
    among many chats at once they are random, and each machine that a chat meets computes the picture once.

    Args:
        questions: Questions of a chat about one picture.
        machines: Machines, all equally likely.
        balance: One of `BALANCES`.
    """
    met = 1.0 if balance == "pictures" else machines * (1 - (1 - 1 / machines) ** questions)
    return 1 - met / questions


@dataclass
class Recall:
    """What one balance did with chats of one length.

    Attributes:
        questions: Questions of a chat.
        balance: The balance's name.
        machines: What each machine did, one row for each round.
        latencies: Seconds of each answer.
        gateway_cpu: CPU seconds of the gateway in front.
    """

    questions: int
    balance: str
    machines: list[Sequence[Counts]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    gateway_cpu: float = 0.0

    @property
    def recalled(self) -> float:
        """Share of pictures whose features were in a cache."""
        hits = self._sum(lambda one: one.recalled)
        return hits / (hits + self._sum(lambda one: one.computed))

    @property
    def hottest(self) -> float:
        """The share of requests of the machine that got the most, in the mean of the rounds."""
        shares = [max(one.requests for one in row) / sum(one.requests for one in row) for row in self.machines]
        return float(np.mean(shares))

    def row(self) -> list[str]:
        """The row of the table, as `COLUMNS`."""
        count = len(self.latencies)
        return [
            str(self.questions),
            self.balance,
            str(count),
            f"{self.recalled:.3f}",
            f"{expected_recall(self.questions, len(self.machines[0]), self.balance):.3f}",
            f"{self.hottest:.0%}",
            f"{1000 * np.percentile(self.latencies, 50):.0f}",
            f"{1000 * np.percentile(self.latencies, 95):.0f}",
            f"{1000 * self._sum(lambda one: one.cpu) / count:.1f}",
            f"{1000 * self.gateway_cpu / count:.2f}",
        ]

    def _sum(self, figure: Callable[[Counts], float]) -> float:
        return sum(figure(one) for row in self.machines for one in row)


@contextmanager
def fronts(fleet: Fleet) -> Iterator[Mapping[str, Gateway]]:
    """Yield a gateway for each of `BALANCES`, all in front of the same machines."""
    with ExitStack() as stack:
        yield {
            "round robin": stack.enter_context(fleet.front("round-robin", RoundRobin, "least_busy")),
            "least busy": stack.enter_context(fleet.front("least-busy", Gateway, "least_busy")),
            "pictures": stack.enter_context(fleet.front("pictures", Gateway, "pictures")),
        }


def measure(
    fleet: Fleet,
    model: str,
    lengths: Sequence[int],
    rounds: int,
    people: int,
    chats: int,
    progress: Callable[[str], None],
) -> list[Recall]:
    """Let people chat through each gateway in turn, so that noise on the machine affects all alike.

    Args:
        fleet: Machines that serve the model.
        model: The model.
        lengths: Questions of a chat about one picture.
        rounds: How often everything is measured, after a warm-up.
        people: Chats at the same time; each sends a question when the last one is answered.
        chats: Chats of each person in a round.
        progress: Shows what is measured.

    Raises:
        ServerError: A request fails.
    """
    pictures = photographs(PHOTOGRAPHS)
    results = [Recall(length, balance) for length in lengths for balance in BALANCES]
    with fronts(fleet) as gateways:
        for number in range(rounds + 1):
            for result in results:
                title = f"round {number} of {rounds}" if number else "warm-up"
                progress(f"{title}: {result.questions} questions a chat, {result.balance}")
                pairs = all_pairs(pictures, QUESTIONS[: result.questions])
                into = result if number else Recall(result.questions, result.balance)
                _measure(into, fleet, gateways[result.balance], model, pairs, people, chats if number else 1)
    return results


def _measure(
    result: Recall, fleet: Fleet, gateway: Gateway, model: str, pairs: Sequence[Pair], people: int, chats: int
) -> None:
    before, cpu = [one.counts() for one in fleet.machines], cpu_seconds(nginx_of(gateway)).total
    with closing(FastClient(plain_address(gateway), fleet.key, model, people)) as client:
        streams = [islice(chat(pairs), chats * result.questions) for _ in range(people)]
        replies = closed_loop(client, streams, float("inf"))
    if failed := [reply for reply in replies if reply.status != 200]:
        raise ServerError(f"{len(failed)} of {len(replies)} requests failed, the first with {failed[0].status}")
    result.gateway_cpu += cpu_seconds(nginx_of(gateway)).total - cpu
    result.machines.append(_counted(fleet.machines, before, len(replies)))
    result.latencies += [reply.latency for reply in replies]


def _counted(machines: Sequence[Machine], before: Sequence[Counts], count: int) -> list[Counts]:
    """What each machine did since ``before``, once all requests are counted.

    Raises:
        ServerError: They are not counted in time.
    """
    deadline = time.monotonic() + COUNT_SECONDS
    while True:
        done = list(map(sub, [one.counts() for one in machines], before))
        if sum(one.requests for one in done) >= count and sum(one.recalled + one.computed for one in done) >= count:
            return done
        if time.monotonic() > deadline:
            raise ServerError(f"after {COUNT_SECONDS:.0f} s the machines have counted {done}, not {count} requests")
        time.sleep(0.2)
