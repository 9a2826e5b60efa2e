"""The database of answers and verdicts. A call returns when its row is on the disk: a crash right after loses nothing.

Several processes may use it: the page writes, and commands read (SQLite in WAL mode, with ``synchronous=FULL``). The
schema is kept current by yoyo-migrations, which applies the files in ``migrations/`` that the database has not seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from yoyo import get_backend, read_migrations

from vqaops.errors import ServerError
from vqaops.files import locked

MIGRATIONS = Path(__file__).with_name("migrations")
_BUSY_SECONDS = 30
_SHOWN = "time, browser, picture, suffix, question, answers, model, version, abstained, task"
_COLUMNS = f"id, {_SHOWN}, thumbs_up, correction"


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer as the page showed it.

    Attributes:
        browser: The random name that the person's browser keeps.
        picture: The picture file.
        question: The question, or the candidate labels as they were typed.
        answers: Text and score of each answer, best first.
        model: The model that answered.
        version: Its version.
        abstained: Whether the model was not sure, by its recipe's threshold.
        task: The model's task, which says what the question is.
    """

    browser: str
    picture: bytes
    question: str
    answers: Sequence[tuple[str, float]]
    model: str
    version: str
    abstained: bool = False
    task: str = "visual_question_answering"


@dataclass(frozen=True, slots=True)
class Feedback:
    """A row of the database.

    Attributes:
        id: Its number.
        time: When the answer was shown, in UTC.
        browser: As of ``ShownAnswer``.
        picture: SHA-256 of the picture file, in hexadecimal.
        kept: The kept picture file, or None.
        question: As of ``ShownAnswer``.
        answers: As of ``ShownAnswer``.
        model: As of ``ShownAnswer``.
        version: As of ``ShownAnswer``.
        abstained: As of ``ShownAnswer``.
        task: As of ``ShownAnswer``.
        thumbs_up: The verdict; None if there is none.
        correction: What would have been right, in the person's words; empty if they did not say.
    """

    id: int
    time: datetime
    browser: str
    picture: str
    kept: Path | None
    question: str
    answers: tuple[tuple[str, float], ...]
    model: str
    version: str
    abstained: bool
    task: str
    thumbs_up: bool | None
    correction: str

    @property
    def right_answer(self) -> str:
        """What the person says is right: the correction, or the answer with a thumb up; empty if they did not say."""
        return self.correction or (self.answers[0][0] if self.thumbs_up else "")


class FeedbackStore:
    """A database file, and beside it the folder of pictures that people agreed to keep."""

    def __init__(self, path: Path) -> None:
        """Open the database; make it or bring its schema up to date first.

        Raises:
            ServerError: The file is not such a database, or cannot be written.
        """
        self.path = path
        self.pictures = path.with_suffix(".pictures")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.pictures.mkdir(mode=0o700, exist_ok=True)
            # yoyo's own lock is a row, which a process that is killed leaves behind; the kernel releases this one.
            with locked(self.pictures):
                backend = get_backend(f"sqlite:///{quote(str(path.resolve()))}")
                with closing(backend.connection):
                    backend.apply_migrations(backend.to_apply(read_migrations(str(MIGRATIONS))))
            with self._connection() as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        except (OSError, sqlite3.Error) as error:
            raise ServerError(f"{path} cannot be used as the database of feedback: {error}") from None

    @classmethod
    def open_existing(cls, path: Path) -> FeedbackStore:
        """Open a database that is there.

        Raises:
            ServerError: There is none, or it cannot be used.
        """
        if not path.is_file():
            raise ServerError(f"{path} does not exist; the chat page writes it: make demo")
        return cls(path)

    def record_answer(self, shown: ShownAnswer, keep: str = "") -> int:
        """Keep an answer, and return its number.

        Args:
            shown: The answer.
            keep: The suffix for the picture's file, such as ``.jpg``, if the person agreed to keep it.
        """
        digest = hashlib.sha256(shown.picture).hexdigest()
        row = (
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            *(shown.browser, digest, keep or None, shown.question),
            json.dumps([[text, score] for text, score in shown.answers], ensure_ascii=False),
            *(shown.model, shown.version, int(shown.abstained), shown.task),
        )
        with self._connection() as connection:
            if keep:
                connection.execute(
                    "BEGIN IMMEDIATE"
                )  # or _remove_unneeded could delete the file before its row is there
                self._keep_picture(f"{digest}{keep}", shown.picture)
            made = connection.execute(f"INSERT INTO answers ({_SHOWN}) VALUES ({', '.join('?' * len(row))})", row)
            return int(made.lastrowid or 0)

    def record_verdict(self, number: int, thumbs_up: bool | None, correction: str = "") -> None:
        """Keep what a person thinks of an answer; a later verdict replaces an earlier one.

        Args:
            number: The answer's number.
            thumbs_up: Whether it was right; None takes the verdict back.
            correction: What would have been right.

        Raises:
            ServerError: There is no such answer.
        """
        with self._connection() as connection:
            done = connection.execute(
                "UPDATE answers SET thumbs_up = ?, correction = ? WHERE id = ?",
                (None if thumbs_up is None else int(thumbs_up), correction.strip() or None, number),
            )
            if not done.rowcount:
                raise ServerError(f"there is no answer {number}")

    def rows(
        self,
        *,
        browser: str | None = None,
        model: str | None = None,
        since: datetime | None = None,
        thumbs_up: bool | None = None,
        newest: int | None = None,
    ) -> list[Feedback]:
        """The answers, oldest first.

        Args:
            browser: Only this browser's.
            model: Only this model's.
            since: Only those shown at this time or later.
            thumbs_up: Only those with this verdict.
            newest: Only so many, the newest.
        """
        wanted = {
            "browser = ?": browser,
            "model = ?": model,
            "time >= ?": since.astimezone(UTC).isoformat(timespec="milliseconds") if since else None,
            "thumbs_up = ?": None if thumbs_up is None else int(thumbs_up),
        }
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = " AND ".join(given) or "1"
        limit = -1 if newest is None else newest
        with self._connection() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE {where} ORDER BY id DESC LIMIT ?",
                (*given.values(), limit),
            ).fetchall()
        return [self._feedback(row) for row in reversed(found)]

    def forget(self, browser: str) -> int:
        """Delete a browser's rows, and kept pictures that no other row needs; return the number of rows."""
        with self._connection() as connection:
            deleted = connection.execute("DELETE FROM answers WHERE browser = ?", (browser,)).rowcount
        self._remove_unneeded()
        return deleted

    def prune(self, days: float) -> int:
        """Delete what is older, and kept pictures that no other row needs; return the number of rows."""
        until = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
        with self._connection() as connection:
            deleted = connection.execute("DELETE FROM answers WHERE time < ?", (until,)).rowcount
        self._remove_unneeded()
        return deleted

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are on the disk when the block ends; an error undoes them."""
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            with connection:
                yield connection

    def _keep_picture(self, name: str, picture: bytes) -> None:
        """Write a picture's file before the row that names it; a crash in between leaves a file that no row needs."""
        file = self.pictures / name
        if file.exists():
            return
        with tempfile.NamedTemporaryFile(dir=self.pictures, delete=False) as temporary:
            temporary.write(picture)
            temporary.flush()
            os.fsync(temporary.fileno())
        Path(temporary.name).replace(file)
        folder = os.open(self.pictures, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _remove_unneeded(self) -> None:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")  # until the files are gone, nobody adds a row that needs one
            rows = connection.execute("SELECT DISTINCT picture, suffix FROM answers WHERE suffix IS NOT NULL")
            needed = {f"{picture}{suffix}" for picture, suffix in rows}
            for file in self.pictures.iterdir():
                if file.name not in needed:
                    file.unlink(missing_ok=True)

    def _feedback(self, row: tuple[object, ...]) -> Feedback:
        number, time, browser, picture, suffix, question, answers, model, version, abstained, *said = row
        task, thumbs_up, correction = said
        return Feedback(
            id=int(str(number)),
            time=datetime.fromisoformat(str(time)),
            browser=str(browser),
            picture=str(picture),
            kept=self.pictures / f"{picture}{suffix}" if suffix else None,
            question=str(question),
            answers=tuple((str(text), float(score)) for text, score in json.loads(str(answers))),
            model=str(model),
            version=str(version),
            abstained=bool(abstained),
            task=str(task),
            thumbs_up=None if thumbs_up is None else bool(thumbs_up),
            correction=str(correction or ""),
        )
