"""Trials of settings for a recipe: each candidate gets a server, which is measured for a few seconds."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from loadtest.bench.load_generator import LoadGenerator
from loadtest.bench.measured_server import start_measured
from loadtest.bench.mixes import unique
from loadtest.bench.photographs import variants
from loadtest.bench.results import WorkloadResult
from loadtest.pairs import Pair, all_pairs
from loadtest.process_usage import memory_of
from vqaops.errors import ServerError
from vqaops.questions import read_samples
from vqaops.store.archive import Archive
from vqaops.tuning.recipe_file import with_settings
from vqaops.tuning.search import TrialOutcome
from vqaops.tuning.space import Candidate
from vqaops.yaml_edit import with_values
from vqaserve.text_files import decode

WARM_UP_SECONDS = 2.0
_CONFIG = "model-config.yaml"


class TrialRunner:
    """Tries candidates for one recipe.

    Args:
        archive: The recipe's archive with its own settings.
        connections: Connections of the closed loop.
        seconds: Duration of the measurement.
        folder: Folder for the candidates' archives and servers.
    """

    def __init__(self, archive: Archive, connections: int, seconds: float, folder: Path) -> None:
        self._archive = archive
        self._connections = connections
        self._seconds = seconds
        self._folder = folder

    def run(self, candidate: Candidate, pairs: Sequence[Pair]) -> TrialOutcome:
        """Serve a candidate, warm it up and measure it; a candidate that cannot be served is a failed outcome."""
        archive = self.archive_for(candidate)
        try:
            with start_measured([archive], self._folder / "server") as measured:
                generator = LoadGenerator(measured, archive.name, pairs)
                generator.closed_loop(unique, self._connections, WARM_UP_SECONDS)
                found = generator.closed_loop(unique, self._connections, self._seconds)
                workers = measured.server.client.workers(archive.name)
                memory = sum(memory_of(worker.pid).resident for worker in workers)
        except ServerError as error:  # the family lacks this precision, say, or it changes too many answers
            return TrialOutcome(failure=str(error))
        finally:
            archive.path.unlink()
        result = WorkloadResult(str(candidate), measurements=[found])
        if not result.answers:
            return TrialOutcome(failure=f"no answer; refused by status: {result.refused}")
        return TrialOutcome(result.rate, result.percentile_ms(95), result.cpu_ms, memory, result.anomalies())

    def archive_for(self, candidate: Candidate) -> Archive:
        """Return a copy of the archive with the candidate's settings."""
        path = self._folder / "store" / self._archive.path.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(self._archive.path) as given, zipfile.ZipFile(path, "w") as packed:
            for member in given.infolist():
                data = given.read(member)
                if member.filename == _CONFIG:
                    text = with_settings(decode(data, _CONFIG), candidate)
                    data = with_values(text, {"auto": []}).encode()  # the candidate's numbers are not fitted
                packed.writestr(member, data)
        return Archive(path, self._archive.name, self._archive.version)


def sample_pairs(recipe: Path, pictures: int) -> list[Pair]:
    """Return the recipe's sample questions about variants of its pictures, whose sizes decide what an answer costs.

    Args:
        recipe: The recipe's folder.
        pictures: How many variants to make.

    Raises:
        RecipeError: The recipe has no samples.
    """
    samples = read_samples(recipe)
    files = variants(list(dict.fromkeys(sample.image for sample in samples)), pictures)
    return all_pairs(files, list(dict.fromkeys(sample.text for sample in samples)))
