"""The reason of a failure, found in a log that several versions write to."""

from __future__ import annotations

from pathlib import Path

from vqaops.server.worker_log import load_failure

DIED = "Backend worker process died."


def written(folder: Path, *lines: tuple[str, str]) -> Path:
    log = folder / "model.log"
    log.write_text("".join(f"2026-01-01T00:00:00,000 [INFO ] W-9000-{who}-stdout - {said}\n" for who, said in lines))
    return log


def test_the_last_error_of_that_version_is_the_reason(tmp_path: Path):
    log = written(
        tmp_path,
        ("dummy_1.0.0", "ValueError: an older version's"),
        ("dummy_1.0.0", DIED),
        ("dummy_1.1.0", DIED),
        ("dummy_1.1.0", "vqaserve.errors.RecipeError: weights/model.safetensors is missing"),
    )
    failure = load_failure(log, "dummy", "1.1.0")
    assert failure == "vqaserve.errors.RecipeError: weights/model.safetensors is missing"


def test_torchserves_own_error_after_it_hides_no_reason(tmp_path: Path):
    log = written(
        tmp_path,
        ("dummy_1.1.0", "RuntimeError: no room"),
        ("dummy_1.1.0", DIED),
        ("dummy_1.1.0", "RuntimeError: 500 - Unknown exception"),
    )
    assert load_failure(log, "dummy", "1.1.0") == "RuntimeError: no room"


def test_a_worker_that_had_loaded_and_died_is_no_failure_to_load(tmp_path: Path):
    log = written(tmp_path, ("dummy_1.1.0", DIED), ("dummy_1.1.0", "dummy 1.1.0 is loaded on cpu"))
    assert load_failure(log, "dummy", "1.1.0") is None


def test_what_was_written_before_is_not_read_again_and_a_rotated_log_is_read_from_its_start(tmp_path: Path):
    log = written(tmp_path, ("dummy_1.1.0", DIED), ("dummy_1.1.0", "ValueError: of an earlier try"))
    size = log.stat().st_size
    assert load_failure(log, "dummy", "1.1.0", since=size) is None
    written(tmp_path, ("dummy_1.1.0", DIED))
    assert load_failure(log, "dummy", "1.1.0", since=size) == DIED


def test_without_a_log_there_is_no_failure(tmp_path: Path):
    assert load_failure(tmp_path / "model.log", "dummy", "1.1.0") is None


def test_models_whose_names_end_alike_are_distinguished(tmp_path: Path):
    log = written(tmp_path, ("my-dummy_1.1.0", DIED), ("my-dummy_1.1.0", "ValueError: not dummy's"))
    assert load_failure(log, "dummy", "1.1.0") is None
    assert load_failure(log, "my-dummy", "1.1.0") == "ValueError: not dummy's"


def test_a_traceback_that_is_half_written_is_waited_for(tmp_path: Path):
    lines = [("dummy_1.1.0", DIED), ("dummy_1.1.0", "Traceback (most recent call last):"), ("dummy_1.1.0", "  File x")]
    assert load_failure(written(tmp_path, *lines), "dummy", "1.1.0") is None
    log = written(tmp_path, *lines, ("dummy_1.1.0", "ValueError: no such weights"))
    assert load_failure(log, "dummy", "1.1.0") == "ValueError: no such weights"
