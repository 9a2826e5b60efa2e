"""The model that an overload test asks: on a dedicated server or on the running one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench.measured_server import java_process
from loadtest.fast_client import FastClient
from loadtest.faults.fault_server import fault_server
from loadtest.faults.faulty_archives import COLOURS, MODEL, SLOW, answer, picture
from loadtest.loops import TimedReply
from loadtest.pairs import Pair, PairRequest, RequestStream
from loadtest.replies import wrong_answer
from loadtest.samples import model_questions
from vqaops.server.server import Server
from vqaops.unseen_pictures import unseen_copy
from vqaserve.settings import ModelConfig

SERVICE_SECONDS = 0.04
"""Time per question of the model on a dedicated server. With two workers its capacity is 50 questions per second."""
REPLY_SECONDS = 60.0


@dataclass(frozen=True)
class OverloadTarget:
    """A model to overload.

    Attributes:
        server: The server.
        model: The model's name.
        pairs: What is asked.
        answers: The right answers to each pair, by its number.
        queue: The model's ``jobQueueSize``.
        batch: The model's ``batchSize``.
        workers: The number of its workers.
    """

    server: Server
    model: str
    pairs: Sequence[Pair]
    answers: Sequence[Sequence[str]]
    queue: int
    batch: int
    workers: int

    def client(self, connections: int) -> FastClient:
        """Return a client for so many connections."""
        api = self.server.client
        address, token = api.addresses.inference, api.token("inference")
        return FastClient(address, token, self.model, connections, timeout=REPLY_SECONDS)

    def requests(self) -> RequestStream:
        """Ask the pairs in turn, each time with a picture that no cache has seen."""
        return (PairRequest(pair, unseen_copy(pair.picture)) for pair in itertools.cycle(self.pairs))

    def is_wrong(self, reply: TimedReply) -> bool:
        """Return whether a reply has status 200 and gives none of the right answers."""
        return reply.status == 200 and bool(wrong_answer(reply.body, self.answers[reply.pair]))

    def memory(self) -> float:
        """Return the resident MB of Java and all workers.

        Raises:
            ServerError: The server has ended.
        """
        process = java_process(self.server)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6


@contextmanager
def slow_target(folder: Path) -> Iterator[OverloadTarget]:
    """Yield a model on a dedicated server that takes 40 ms per question and no CPU time."""
    with fault_server(folder, SLOW.format(seconds=SERVICE_SECONDS), jobQueueSize=32) as started:
        pairs = [Pair(number, picture(colour), "what?") for number, colour in enumerate(COLOURS)]
        answers = [[answer(colour, "what?")] for colour in COLOURS]
        yield OverloadTarget(started.server, MODEL, pairs, answers, queue=32, batch=8, workers=2)


def running_target(recipe: Path) -> OverloadTarget:
    """Return a model of the running server, which is asked its own samples.

    Raises:
        RecipeError: The recipe cannot be read.
        ServerError: No server is running.
    """
    server = Server()
    java_process(server)
    config = ModelConfig.read(recipe / "model-config.yaml")
    questions = model_questions((str(recipe),))
    pairs = [Pair(number, one.picture, one.title) for number, one in enumerate(questions)]
    answers = [one.answers for one in questions]
    workers = len(server.client.workers(recipe.name))
    return OverloadTarget(server, recipe.name, pairs, answers, config.jobQueueSize, config.batchSize, workers)
