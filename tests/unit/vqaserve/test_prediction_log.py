"""The prediction log, in real files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.pictures import as_base64, encoded
from tests.support.waiting import until
from vqaserve import prediction_log
from vqaserve.errors import RecipeError
from vqaserve.metrics import MetricSample
from vqaserve.pipeline import Pipeline
from vqaserve.prediction_log import PredictionWriter
from vqaserve.settings import HandlerSettings, PredictionLog
from vqaserve.types import Model, Request

MODEL = Model("dummy", "1.0.0")


class Logged:
    """A pipeline of the dummy family with a prediction log."""

    def __init__(self, folder: Path, **log: object) -> None:
        self.folder = folder / "dummy"
        self.samples: list[MetricSample] = []
        kept = {"enabled": True, "folder": folder, "question": "text", **log}
        settings = HandlerSettings(version="1.0.0", family="dummy", prediction_log=kept)
        self.pipeline = Pipeline.load(Path(), settings, MODEL, self.samples.extend)

    def ask(self, *bodies: object, client_id: str = "") -> None:
        self.pipeline.answer([Request(f"r{at}", {"body": body}, {}, client_id) for at, body in enumerate(bodies)])

    def lines(self) -> list[dict[str, Any]]:
        """Close the writer and return the lines, oldest first."""
        self.pipeline.close()
        return [json.loads(line) for part in sorted(self.folder.glob("*")) for line in part.read_text().splitlines()]

    def dropped(self) -> float:
        return sum(one.value for one in self.samples if one.metric.name == "vqa_predictions_dropped_total")


@pytest.fixture
def logged(tmp_path: Path) -> Callable[..., Logged]:
    return lambda **log: Logged(tmp_path, **log)


def question(text: str = "what?") -> dict[str, object]:
    return {"image": as_base64(encoded()), "question": text}


def test_a_line_has_the_ids_the_picture_the_question_and_the_answer(logged: Callable[..., Logged]):
    log, picture = logged(), encoded()
    log.ask(question(), client_id="order-17")
    (line,) = log.lines()
    assert line.pop("time").endswith("+00:00")
    assert line.pop("milliseconds") >= 0
    assert line == {
        "request_id": "r0",
        "client_request_id": "order-17",
        "picture": hashlib.sha256(picture).hexdigest(),
        "bytes": len(picture),
        "question": "what?",
        "answer": "4x3 #ff0000: what?",
        "confidence": 0.5,
        "abstained": False,
        "stream": False,
        "tokens": None,
        "recalled": "",
        "error": None,
        "model": "dummy",
        "version": "1.0.0",
    }


def test_each_question_has_a_line_and_a_refused_one_has_its_error(logged: Callable[..., Logged]):
    log = logged()
    log.ask({"image": as_base64(encoded()), "questions": ["one?", ""]}, {"nonsense": 1}, question("half \udc80 pair"))
    assert [(line["request_id"], line["question"], line["error"]) for line in log.lines()] == [
        ("r0", "one?", None),
        ("r0", "", "InvalidQuestion"),
        ("r1", None, "BadRequest"),
        ("r2", "half \udc80 pair", "InvalidQuestion"),
    ]


@pytest.mark.parametrize(
    "mark", ["\u2028", "\u2029", "\x85", "\n", "\r\n", "\x0b", "\x0c", "\x1e", '"', "\\", "\udc80"]
)
def test_a_question_stays_on_one_line_for_every_reader(logged: Callable[..., Logged], mark: str):
    log = logged()
    log.ask(question(f"one{mark}two?" + "x" * 501))  # refused for its length, and so logged as it came
    log.pipeline.close()
    (part,) = log.folder.iterdir()
    (line,) = part.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["question"].startswith(f"one{mark}two?")
    assert part.read_bytes().count(b"\n") == 1


def test_the_list_of_models_is_not_logged(logged: Callable[..., Logged]):
    log = logged()
    (reply,) = log.pipeline.answer([Request("r0", {}, {"url_path": "v1/models"})])
    assert reply.status == 200
    assert log.lines() == []


def test_a_line_names_what_the_cache_held(logged: Callable[..., Logged]):
    log = logged()
    for text in ("one?", "one?", "two?"):
        log.ask(question(text))
    assert [line["recalled"] for line in log.lines()] == ["", "answers", "features"]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"question": "text"}, {"question": "wo ist die Tür?"}),
        ({"question": "hash"}, {"question": hashlib.sha256("wo ist die Tür?".encode()).hexdigest()}),
        ({"question": "none"}, {}),
    ],
)
def test_a_question_is_logged_as_the_recipe_sets(
    logged: Callable[..., Logged], kept: dict[str, str], expected: dict[str, str]
):
    log = logged(**kept)
    log.ask(question("wo ist die Tür?"))
    (line,) = log.lines()
    assert {key: value for key, value in line.items() if key == "question"} == expected


def test_nothing_is_logged_unless_the_recipe_enables_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VQA_RUN", str(tmp_path))
    pipeline = Pipeline.load(Path(), HandlerSettings(version="1.0.0", family="dummy"), MODEL)
    assert pipeline.answer([Request("r0", {"body": question()})])[0].status == 200
    pipeline.close()
    assert list(tmp_path.iterdir()) == []


def test_a_question_of_a_million_characters_leaves_a_short_line(logged: Callable[..., Logged]):
    log = logged()
    log.ask(question("x" * 1_000_000))
    (line,) = log.lines()
    assert (len(line["question"]), line["error"]) == (2000, "InvalidQuestion")


def test_all_files_together_stay_within_the_limit_and_hold_the_newest_lines(logged: Callable[..., Logged]):
    log = logged(max_megabytes=0.02, files=4)
    for number in range(400):
        log.ask(question(f"question {number}?"))
    kept = [int(line["question"][9:-1]) for line in log.lines()]
    assert kept == list(range(kept[0], 400))
    assert kept[0] > 0
    sizes = [part.stat().st_size for part in log.folder.iterdir()]
    assert 5_000 < sum(sizes) <= 20_000
    assert len(sizes) >= 2


def test_only_the_owner_can_read_the_files(logged: Callable[..., Logged]):
    log = logged()
    log.ask(question())
    log.lines()
    (part,) = log.folder.iterdir()
    assert (part.stat().st_mode & 0o777, log.folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_removed_file_is_replaced_by_a_new_one(logged: Callable[..., Logged]):
    log = logged()
    log.ask(question("one?"))
    until(lambda: any(log.folder.iterdir()), "the line is written", 60)
    for part in log.folder.iterdir():
        part.unlink()
    log.ask(question("two?"))
    assert "two?" in [line["question"] for line in log.lines()]


def test_a_folder_that_cannot_be_written_loses_lines_which_are_counted_and_no_answer(
    logged: Callable[..., Logged], caplog: pytest.LogCaptureFixture
):
    log = logged()
    log.folder.rmdir()
    log.folder.write_text("a file, where the folder was")
    log.ask(question())
    log.pipeline.close()
    log.ask(question())
    assert log.dropped() == 1
    assert "loses lines" in caplog.text


def test_a_disk_that_hangs_delays_no_answer(logged: Callable[..., Logged], monkeypatch: pytest.MonkeyPatch):
    hangs, arrived = threading.Event(), threading.Event()

    def hang(writer: PredictionWriter, lines: list[bytes]) -> None:
        arrived.set()
        hangs.wait(60)

    monkeypatch.setattr(prediction_log, "_WAITING", 3)
    monkeypatch.setattr(PredictionWriter, "_write_lines", hang)
    log = logged()
    log.ask(question())
    assert arrived.wait(60)
    for _ in range(10):
        log.ask(question())
    assert log.dropped() == 7
    hangs.set()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folder": None}, "has no folder; give an absolute path"),
        ({"folder": Path("/dev/null/predictions")}, "cannot be made"),
    ],
)
def test_a_log_without_a_usable_folder_is_refused_at_load(given: dict[str, Any], message: str):
    with pytest.raises(RecipeError, match=message):
        PredictionWriter(PredictionLog(enabled=True, **given), MODEL)


def test_a_relative_folder_is_refused():
    with pytest.raises(ValueError, match="not an absolute path"):
        PredictionLog(folder="here")


def test_a_long_queue_makes_no_file_larger_than_its_limit(
    logged: Callable[..., Logged], monkeypatch: pytest.MonkeyPatch
):
    busy = threading.Event()
    write = PredictionWriter._write_lines

    def wait_first(writer: PredictionWriter, lines: list[bytes]) -> None:
        busy.wait(60)
        write(writer, lines)

    monkeypatch.setattr(PredictionWriter, "_write_lines", wait_first)
    log = logged(max_megabytes=0.02, files=4)
    for number in range(400):
        log.ask(question(f"question {number}?"))
    busy.set()
    assert log.lines()[-1]["question"] == "question 399?"
    assert max(part.stat().st_size for part in log.folder.iterdir()) <= 5_000


WORKER = """
import sys
from pathlib import Path
from vqaserve.prediction_log import PredictionRecord, PredictionWriter
from vqaserve.settings import PredictionLog
from vqaserve.types import Item, Model, Request

settings = PredictionLog(enabled=True, folder=Path(sys.argv[1]), max_megabytes=0.005, files=10)  # a file for each line
writer = PredictionWriter(settings, Model("dummy", "1.0.0"))
print("ready", flush=True)
sys.stdin.readline()
writer.write(PredictionRecord.of(Request("r", {}), Item("r"), 1.0) for _ in range(1000))
writer.close(60)
print(writer.take_dropped())
"""


def test_two_workers_that_remove_old_files_at_once_lose_no_line(tmp_path: Path):
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    assert [worker.communicate()[0] for worker in workers] == ["0\n", "0\n"]
