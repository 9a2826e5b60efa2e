"""The prediction log: a line of JSON for each question, in files of bounded size, written beside the answers' way.

TorchServe ends workers with SIGKILL, so nothing may wait in a buffer of the process: each line is handed to the kernel
as soon as the writing thread has it. A disk that is slow or full costs lines, which are counted, and never an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from queue import Empty, Full, Queue

from vqaserve.errors import RecipeError
from vqaserve.settings import PredictionLog
from vqaserve.types import Item, Model, Request

log = logging.getLogger(__name__)

_WAITING = 10_000
"""Lines that may wait for the disk; about 10 MB."""
_WRITTEN_AT_ONCE = 64 * 1024
_LONGEST_TEXT = 2000
"""Characters; a question that was refused for its length may have millions."""
_COMPLAINT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question and what became of it; a line's keys, in this order, before the model's.

    Attributes:
        time: Unix time of the answer.
        request_id: TorchServe's, sent back as ``x-request-id``.
        client_request_id: The ``X-Request-Id`` that came, made safe.
        picture: SHA-256 of the picture's file.
        bytes: Size of that file; None where it came by URL.
        question: As asked.
        answer: The best one; None where there is an error.
        confidence: Its score.
        abstained: Whether that is below the recipe's ``abstain_below``.
        milliseconds: That the whole batch took in the worker.
        recalled: ``answers`` or ``features`` where these were remembered.
        error: The ``type`` in the error's body.
    """

    time: float
    request_id: str
    client_request_id: str
    picture: str | None
    bytes: int | None
    question: str | None
    answer: str | None
    confidence: float | None
    abstained: bool
    milliseconds: float
    recalled: str
    error: str | None

    @classmethod
    def of(cls, request: Request, item: Item, milliseconds: float) -> Prediction:
        """What an item came to, without the picture."""
        query, best = item.query, item.answers[0] if item.answers and not item.error else None
        return cls(
            time=time.time(),
            request_id=request.id,
            client_request_id=request.client_id,
            picture=item.picture.digest if item.picture else None,
            bytes=len(query.image) if query and isinstance(query.image, bytes) else None,
            question=query.question[:_LONGEST_TEXT] if query else None,
            answer=best.answer[:_LONGEST_TEXT] if best else None,
            confidence=best.score if best and math.isfinite(best.score) else None,
            abstained=item.abstained,
            milliseconds=round(milliseconds, 1),
            recalled=item.recalled,
            error=type(item.error).__name__ if item.error else None,
        )


class PredictionWriter:
    """Writes predictions to ``<folder>/<model>/<time>-<pid>.jsonl``; each worker has files of its own."""

    def __init__(self, settings: PredictionLog, model: Model) -> None:
        """Start the writing thread.

        Raises:
            RecipeError: There is no folder to write to.
        """
        if settings.folder is None:
            raise RecipeError(
                "handler.prediction_log is enabled, but has no folder: give an absolute path as its `folder`, "
                "or start the server with scripts/serve.py, which has one (run/predictions)"
            )
        self._settings = settings
        self._model = model
        self._part_bytes = int(settings.max_megabytes * 1_000_000 / settings.files)
        self._folder = settings.folder / model.name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RecipeError(f"handler.prediction_log: {self._folder} cannot be made: {error}") from None
        self._file = -1
        self._refused = self._lost = self._told = 0  # the first is the caller's to count, the second the thread's
        self._next_complaint = 0.0
        self._waiting: Queue[Prediction | None] = Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def write(self, predictions: Iterable[Prediction]) -> None:
        """Hand lines over; those that find no room are dropped."""
        for prediction in predictions:
            try:
                self._waiting.put_nowait(prediction)
            except Full:
                self._refused += 1

    def take_dropped(self) -> int:
        """Lines lost since the last time."""
        before, self._told = self._told, self._refused + self._lost
        return self._told - before

    def close(self, seconds: float = 5) -> None:
        """Write what waits, for so long at most."""
        try:
            self._waiting.put(None, timeout=seconds)
        except Full:
            return
        self._thread.join(seconds)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            predictions, last = [first], False
            while not last and len(predictions) < _WAITING:
                try:
                    more = self._waiting.get_nowait()
                except Empty:
                    break
                last = more is None
                predictions += [more] if more is not None else []
            for lines in self._pieces(predictions):
                self._write_lines(lines)
            if last:
                return

    def _pieces(self, predictions: Iterable[Prediction]) -> Iterator[list[bytes]]:
        """Lines that fit into one part together, so that many that have waited do not make it larger than it may be."""
        piece: list[bytes] = []
        for line in map(self._line, predictions):
            if piece and sum(map(len, piece)) + len(line) > min(self._part_bytes, _WRITTEN_AT_ONCE):
                yield piece
                piece = []
            piece.append(line)
        yield piece

    def _line(self, prediction: Prediction) -> bytes:
        fields = {**asdict(prediction), "model": self._model.name, "version": self._model.version}
        fields["time"] = datetime.fromtimestamp(prediction.time, UTC).isoformat(timespec="milliseconds")
        if self._settings.question == "none":
            del fields["question"]
        elif self._settings.question == "hash" and prediction.question is not None:
            fields["question"] = hashlib.sha256(_encoded(prediction.question)).hexdigest()
        return _encoded(json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))) + b"\n"

    def _write_lines(self, lines: list[bytes]) -> None:
        try:
            self._open_part(sum(map(len, lines)))
            data = b"".join(lines)
            written = os.write(self._file, data)
            if written < len(data):  # the disk is full: no half lines
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError("no room for a whole line")
        except OSError as error:
            self._lost += len(lines)
            if time.monotonic() >= self._next_complaint:
                self._next_complaint = time.monotonic() + _COMPLAINT_SECONDS
                log.error("the prediction log in %s loses lines: %s", self._folder, error)

    def _open_part(self, coming: int) -> None:
        """Go on in the open file, or in a new one if it is full, or was removed."""
        if self._file >= 0:
            state = os.fstat(self._file)
            if state.st_nlink and state.st_size + coming <= self._part_bytes:
                return
            os.close(self._file)
            self._file = -1
        self._remove_oldest()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}.jsonl"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _remove_oldest(self) -> None:
        """Make room for a new part; the files of all workers of the model count, also of ended ones."""
        parts = sorted(self._folder.glob("*.jsonl"), key=lambda part: part.name)
        sizes = {}
        for part in parts:
            with contextlib.suppress(FileNotFoundError):  # another worker has just removed it
                sizes[part] = part.stat().st_size
        for part in list(sizes):
            if sum(sizes.values()) + self._part_bytes <= self._settings.max_megabytes * 1_000_000:
                return
            part.unlink(missing_ok=True)
            del sizes[part]


def _encoded(text: str) -> bytes:
    """UTF-8; half of a surrogate pair, which a client can send, as JSON's escape for it."""
    return text.encode(errors="backslashreplace")
