"""Other servers with the benchmark's model, used as its documentation shows: eager transformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtest.bench.plan import BenchModel
from loadtest.pairs import PairRequest
from loadtest.peers.known_peers import InstalledPeer, find_peers
from loadtest.peers.peer_process import ComparedServer, start_peer
from vqaserve.settings import ModelConfig

NAMES = ("mosec", "fastapi")
"""mosec batches, and FastAPI answers one request at a time: the lone request's latency is compared with it."""


@contextmanager
def eager_peers(model: BenchModel, folder: Path) -> Iterator[Mapping[str, ComparedServer]]:
    """Yield the servers that are installed, by their titles; they stop with the block.

    They run beside ours, so that each round asks all of them; one that is not asked takes no CPU time.

    Args:
        model: A Hugging Face model (``transformers``); others have no such servers.
        folder: Folder for the servers' files.

    Raises:
        ServerError: One does not start.
    """
    found = [one for one in find_peers(NAMES, ()) if isinstance(one, InstalledPeer)] if model.transformers else []
    batch = ModelConfig.read(model.recipe / "model-config.yaml").batchSize
    first = PairRequest(model.pairs[0], model.pairs[0].picture)
    with ExitStack() as stack:
        yield {
            one.peer.title: stack.enter_context(
                start_peer(one, model.recipe, model.name, batch, first, folder / one.peer.module, eager=True)
            )
            for one in found
        }
