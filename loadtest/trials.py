"""One candidate, served and asked for a few seconds."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from loadtest.bench.asking import Asking
from loadtest.bench.mixes import Pair, all_pairs, unique
from loadtest.bench.pictures import variants
from loadtest.bench.serving import started
from loadtest.bench.turns import Total
from loadtest.bench.usage import memory_of
from vqaops.building.build import build
from vqaops.errors import ServerError
from vqaops.store.archive import Archive
from vqaops.tuning.recipe_file import with_settings
from vqaops.tuning.search import Outcome
from vqaops.tuning.space import Candidate
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig

WARM_SECONDS = 2.0
_CONFIG = "model-config.yaml"


class Bench:
    """Tries candidates for one recipe.

    Args:
        recipe: Its folder.
        archive: Built from it as it is.
        connections: Closed loops that ask at once.
        seconds: Of asking that are measured.
        folder: For the candidates' archives and servers.
    """

    def __init__(self, recipe: Path, archive: Archive, connections: int, seconds: float, folder: Path) -> None:
        self._recipe = recipe
        self._archive = archive
        self._built = {Candidate.of(ModelConfig.read(recipe / _CONFIG)).precision: archive}
        self._connections = connections
        self._seconds = seconds
        self._folder = folder

    def __call__(self, candidate: Candidate, pairs: Sequence[Pair]) -> Outcome:
        """Serve a candidate, warm it up, and measure."""
        try:
            archive = self.archive_for(candidate)
        except RecipeError as error:  # this precision does not keep the answers, or the family does not have it
            return Outcome(failure=str(error))
        try:
            with started([archive], self._folder / "server") as running:
                asking = Asking(running, archive.name, pairs)
                asking.closed(unique, self._connections, WARM_SECONDS)
                total = Total(str(candidate), turns=[asking.closed(unique, self._connections, self._seconds)])
                workers = running.server.client.workers(archive.name)
                memory = sum(memory_of(worker.pid).resident for worker in workers)
        except ServerError as error:
            return Outcome(failure=str(error))
        finally:
            archive.path.unlink()
        if not total.answers:
            return Outcome(failure=f"no answer: {total.refused}")
        refused = "".join(f"{count} x {status}" for status, count in total.refused.items())
        return Outcome(total.rate, total.percentile_ms(95), total.cpu_ms, memory, refused)

    def archive_for(self, candidate: Candidate) -> Archive:
        """An archive of this precision with the candidate's other settings: much quicker than building each."""
        path = self._folder / "store" / self._archive.path.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(self._of_precision(candidate).path) as given, zipfile.ZipFile(path, "w") as packed:
            for member in given.infolist():
                data = given.read(member)
                if member.filename == _CONFIG:
                    data = with_settings(data.decode(), candidate).encode()
                packed.writestr(member, data)
        return Archive(path, self._archive.name, self._archive.version)

    def _of_precision(self, candidate: Candidate) -> Archive:
        """Built once for each: what is computed when an archive is built may depend on it, such as rounded weights.

        Raises:
            RecipeError: It does not build in this precision.
        """
        if candidate.precision not in self._built:
            folder = self._folder / "recipes" / candidate.precision
            recipe = folder / self._recipe.name
            shutil.rmtree(folder, ignore_errors=True)
            recipe.mkdir(parents=True)
            for part in self._recipe.iterdir():
                (recipe / part.name).symlink_to(part)
            text = (recipe / _CONFIG).read_text(encoding="utf-8")
            (recipe / _CONFIG).unlink()
            (recipe / _CONFIG).write_text(with_settings(text, candidate), encoding="utf-8")
            self._built[candidate.precision] = build(recipe, folder / "store")
        return self._built[candidate.precision]


def sample_pairs(recipe: Path, questions: Sequence[str], pictures: Sequence[str], count: int) -> list[Pair]:
    """The recipe's own questions about pictures like its samples: their sizes decide what an answer costs."""
    files = variants([recipe / "samples" / name for name in pictures], count)
    return all_pairs(files, tuple(questions))
