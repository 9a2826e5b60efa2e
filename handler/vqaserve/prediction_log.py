"""The prediction log: a line of JSON for each question, in files of bounded size, written by a thread of its own.

TorchServe ends workers with SIGKILL, so lines must not wait in a buffer of the process: the thread hands each line to
the kernel at once. A slow or full disk loses lines, which are counted; it never delays or fails an answer.
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
from vqaserve.types import UNREADABLE, Item, Model, Request

log = logging.getLogger(__name__)

_WAITING = 10_000
"""The most lines that wait for the disk; about 10 MB."""
_LINE_SEPARATORS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
"""JSON's escapes of characters at which some readers, such as ``str.splitlines``, end a line."""
_WRITTEN_AT_ONCE = 64 * 1024
_LONGEST_TEXT = 2000
"""Characters of a question or an answer; a question that was refused for its length may have millions."""
_WARNING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One question and its answer; a line of the log has these keys in this order, then the model's.

    Attributes:
        time: Unix time of the answer.
        request_id: TorchServe's request id, which the reply carries as ``x-request-id``.
        client_request_id: The client's ``X-Request-Id``, made safe for logs.
        picture: SHA-256 of the picture file.
        bytes: Size of that file; None if it came as a URL.
        question: The question as the model was asked, or as it came if it was refused; candidate labels with commas.
        answer: The best answer; None after an error.
        confidence: The score of the best answer.
        abstained: Whether the score is below the recipe's ``abstain_below``.
        milliseconds: Time of the whole batch in the worker.
        stream: Whether the answer was sent as it was written.
        tokens: Tokens that the model wrote; None if it does not write.
        recalled: ``answers`` or ``features`` if the cache held these.
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
    stream: bool
    tokens: int | None
    recalled: str
    error: str | None

    @classmethod
    def of(cls, request: Request, item: Item, milliseconds: float) -> PredictionRecord:
        """Make the record of a finished item; the picture itself is never in it."""
        query = None if item.query is UNREADABLE else item.query
        best = item.answers[0] if item.answers and not item.error else None
        return cls(
            time=time.time(),
            request_id=request.id,
            client_request_id=request.client_id,
            picture=item.picture.digest or None,
            bytes=len(query.image) if query and isinstance(query.image, bytes) else None,
            question=(query.question or ", ".join(query.labels))[:_LONGEST_TEXT] if query else None,
            answer=best.answer[:_LONGEST_TEXT] if best else None,
            confidence=best.score if best and math.isfinite(best.score) else None,
            abstained=item.abstained,
            milliseconds=round(milliseconds, 1),
            stream=item.query.stream,
            tokens=best.writing.completion_tokens if best and best.writing else None,
            recalled=item.recalled,
            error=type(item.error).__name__ if item.error else None,
        )


class PredictionWriter:
    """Writes records to ``<folder>/<model>/<time>-<pid>.jsonl``; each worker has files of its own."""

    def __init__(self, settings: PredictionLog, model: Model) -> None:
        """Start the writing thread.

        Raises:
            RecipeError: There is no folder to write to, or it cannot be made.
        """
        if settings.folder is None:
            raise RecipeError(
                "handler.prediction_log is enabled but has no folder; give an absolute path as its `folder`, "
                "or start the server with scripts/serve.py, which sets one (run/predictions)"
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
        # The caller counts lines for which there is no room, the thread lines that it cannot write.
        self._refused = self._lost = self._reported = 0
        self._next_warning = 0.0
        self._waiting: Queue[PredictionRecord | None] = Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def write(self, records: Iterable[PredictionRecord]) -> None:
        """Queue records for the thread; those for which there is no room are dropped."""
        for record in records:
            try:
                self._waiting.put_nowait(record)
            except Full:
                self._refused += 1

    def take_dropped(self) -> int:
        """Return the number of lines lost since the last call."""
        before, self._reported = self._reported, self._refused + self._lost
        return self._reported - before

    def close(self, seconds: float = 5) -> None:
        """Write the queued records, for at most so many seconds."""
        try:
            self._waiting.put(None, timeout=seconds)
        except Full:
            return
        self._thread.join(seconds)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            records, last = [first], False
            while not last and len(records) < _WAITING:
                try:
                    more = self._waiting.get_nowait()
                except Empty:
                    break
                last = more is None
                records += [more] if more is not None else []
            for lines in self._pieces(records):
                self._write_lines(lines)
            if last:
                return

    def _pieces(self, records: Iterable[PredictionRecord]) -> Iterator[list[bytes]]:
        """Yield lines that fit into one file together, so that a long queue does not make a file too large."""
        piece: list[bytes] = []
        for line in map(self._line, records):
            if piece and sum(map(len, piece)) + len(line) > min(self._part_bytes, _WRITTEN_AT_ONCE):
                yield piece
                piece = []
            piece.append(line)
        yield piece

    def _line(self, record: PredictionRecord) -> bytes:
        fields = {**asdict(record), "model": self._model.name, "version": self._model.version}
        fields["time"] = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds")
        if self._settings.question == "none":
            del fields["question"]
        elif self._settings.question == "hash" and record.question is not None:
            fields["question"] = hashlib.sha256(_encoded(record.question)).hexdigest()
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return _encoded(text.translate(_LINE_SEPARATORS)) + b"\n"

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
            if time.monotonic() >= self._next_warning:
                self._next_warning = time.monotonic() + _WARNING_SECONDS
                log.error("the prediction log in %s loses lines: %s", self._folder, error)

    def _open_part(self, coming: int) -> None:
        """Open a new file if the current one is full or was removed."""
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
        """Remove the oldest files until there is room for a new one; files of all workers count, ended ones too."""
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
    """Encode as UTF-8; half of a surrogate pair, which a client can send, becomes its JSON escape."""
    return text.encode(errors="backslashreplace")
