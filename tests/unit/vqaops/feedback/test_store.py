from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from yoyo import get_backend, read_migrations

from vqaops.errors import ServerError
from vqaops.feedback.store import MIGRATIONS, FeedbackStore, ShownAnswer

TIME = ["2026-11-01T00:00:00.000+00:00"]
SHOWN = ShownAnswer("browser", b"picture", "what is it?", [("a cup", 0.75), ("a pot", 0.25)], "rooms", "1.0.0")


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "feedback.sqlite3")


def test_an_answer_and_its_verdict_come_back_as_they_were_kept(store: FeedbackStore):
    number = store.record_answer(SHOWN)
    (row,) = store.rows()
    assert (row.id, row.question, row.answers) == (number, "what is it?", (("a cup", 0.75), ("a pot", 0.25)))
    assert (row.model, row.version, row.browser, row.abstained) == ("rooms", "1.0.0", "browser", False)
    assert row.picture == hashlib.sha256(b"picture").hexdigest()
    assert (row.thumbs_up, row.correction, row.right_answer) == (None, "", "")
    assert abs(datetime.now(UTC) - row.time) < timedelta(minutes=5)
    store.record_verdict(number, False, "  a bowl ")
    (row,) = store.rows()
    assert (row.thumbs_up, row.correction, row.right_answer) == (False, "a bowl", "a bowl")


def test_a_thumb_up_confirms_the_answer_that_was_shown_and_a_later_verdict_counts(store: FeedbackStore):
    number = store.record_answer(SHOWN)
    store.record_verdict(number, False, "a bowl")
    store.record_verdict(number, True)
    assert store.rows()[0].right_answer == "a cup"


def test_a_verdict_can_be_taken_back_with_its_correction(store: FeedbackStore):
    number = store.record_answer(SHOWN)
    store.record_verdict(number, False, "a bowl")
    store.record_verdict(number, None)
    (row,) = store.rows()
    assert (row.thumbs_up, row.right_answer) == (None, "")


def test_a_verdict_on_no_answer_is_refused(store: FeedbackStore):
    with pytest.raises(ServerError, match="there is no answer 7"):
        store.record_verdict(7, True)


def test_a_picture_is_kept_only_if_the_person_agreed(store: FeedbackStore):
    store.record_answer(SHOWN)
    assert store.rows()[0].kept is None
    assert not list(store.pictures.iterdir())
    store.record_answer(SHOWN, ".jpg")
    kept = store.rows()[1].kept
    assert kept is not None
    assert kept.read_bytes() == b"picture"
    assert [file.name for file in store.pictures.iterdir()] == [hashlib.sha256(b"picture").hexdigest() + ".jpg"]


def test_rows_are_chosen_by_browser_model_time_and_verdict(store: FeedbackStore):
    first = store.record_answer(SHOWN)
    second = store.record_answer(ShownAnswer("other", b"", "why?", [("so", 1.0)], "shapes", "1.0.0", abstained=True))
    store.record_verdict(second, True)
    assert [row.id for row in store.rows(browser="browser")] == [first]
    assert [row.id for row in store.rows(model="shapes")] == [second]
    assert [row.id for row in store.rows(thumbs_up=True)] == [second]
    assert [row.id for row in store.rows(newest=1)] == [second]
    assert [row.id for row in store.rows(since=datetime.now(UTC) + timedelta(days=1))] == []
    assert store.rows(model="shapes")[0].abstained


def test_a_browser_is_forgotten_with_its_pictures_and_no_other_ones(store: FeedbackStore):
    store.record_answer(SHOWN, ".png")
    store.record_answer(ShownAnswer("other", b"theirs", "why?", [("so", 1.0)], "m", "1.0.0"), ".png")
    store.record_answer(ShownAnswer("browser", b"theirs", "why?", [("so", 1.0)], "m", "1.0.0"), ".png")
    assert store.forget("browser") == 2
    (left,) = store.rows()
    assert left.browser == "other"
    assert left.kept is not None
    assert [file.read_bytes() for file in store.pictures.iterdir()] == [b"theirs"]


def test_pictures_are_kept_while_other_browsers_are_forgotten(store: FeedbackStore):
    with ThreadPoolExecutor(2) as pool:
        keeping = pool.submit(
            lambda: [store.record_answer(replace(SHOWN, picture=b"%d" % n), ".png") for n in range(40)]
        )
        forgetting = pool.submit(lambda: [store.forget("other") for _ in iter(keeping.done, True)])
        keeping.result()
        forgetting.result()
    kept = [row.kept for row in store.rows()]
    assert len(kept) == 40
    assert all(file is not None and file.is_file() for file in kept)


def test_old_answers_are_pruned(store: FeedbackStore):
    store.record_answer(SHOWN)
    assert store.prune(days=1) == 0
    assert store.prune(days=0) == 1
    assert store.rows() == []


WRITER = """
import sys
from pathlib import Path
from vqaops.feedback.store import FeedbackStore, ShownAnswer
store = FeedbackStore(Path(sys.argv[1]))
number = store.record_answer(ShownAnswer("b", b"picture", "q", [("a", 1.0)], "m", "1.0.0"), ".png")
store.record_verdict(number, False, "kept")
print("thanks", flush=True)
sys.stdin.read()
"""


def test_nothing_is_lost_when_the_process_is_killed_after_it_said_thanks(tmp_path: Path):
    path = tmp_path / "feedback.sqlite3"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "thanks\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    (row,) = FeedbackStore.open_existing(path).rows()
    assert row.correction == "kept"
    assert row.kept is not None
    assert row.kept.read_bytes() == b"picture"


LOCKER = """
import os, signal, sys
from pathlib import Path
from vqaops.feedback import store
store.read_migrations = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
store.FeedbackStore(Path(sys.argv[1]))
"""


def test_a_process_that_is_killed_while_it_makes_the_schema_locks_nobody_out(tmp_path: Path):
    path = tmp_path / "feedback.sqlite3"
    assert subprocess.run([sys.executable, "-c", LOCKER, str(path)]).returncode == -signal.SIGKILL
    assert FeedbackStore(path).rows() == []


def test_several_threads_write_at_once(store: FeedbackStore):
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: store.record_answer(SHOWN), range(80)))
    assert len(set(numbers)) == 80
    assert len(store.rows()) == 80


def test_a_database_is_opened_again_with_its_rows(store: FeedbackStore):
    store.record_answer(SHOWN)
    assert len(FeedbackStore(store.path).rows()) == 1
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_database_from_before_tasks_were_kept_is_read_as_questions(tmp_path: Path):
    path = tmp_path / "feedback.sqlite3"
    backend = get_backend(f"sqlite:///{path}")
    with closing(backend.connection):
        backend.apply_migrations(read_migrations(str(MIGRATIONS))[:1])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO answers VALUES (1, ?, 'b', '', NULL, 'why?', '[]', 'm', '1', 0, 1, NULL)", TIME)
    store = FeedbackStore(path)
    number = store.record_answer(replace(SHOWN, task="zero_shot_image_classification"))
    assert [(row.id, row.question, row.task) for row in store.rows()] == [
        (1, "why?", "visual_question_answering"),
        (number, "what is it?", "zero_shot_image_classification"),
    ]


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path):
    file = tmp_path / "feedback.sqlite3"
    file.write_text(json.dumps({"not": "a database"}) * 100)
    with pytest.raises(ServerError, match="cannot be used as the database of feedback"):
        FeedbackStore(file)
    with pytest.raises(ServerError, match="does not exist; the chat page writes it: make demo"):
        FeedbackStore.open_existing(tmp_path / "none.sqlite3")
