"""Service levels."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.slo import LoadFigures, UserLevels, check_levels, read_levels
from vqaops.paths import ROOT
from vqaserve.errors import RecipeError

MEASURED = {"Chat": LoadFigures(p95=95, p99=99, failure_ratio=0.01, throughput=10)}


def test_each_limit_is_checked():
    levels = UserLevels(p95=95, p99=98, failure_ratio=0.01, throughput=10.1)
    checks = {one.limit: one.kept for one in check_levels(MEASURED, {"Chat": levels}, fixed_rate=False)}
    assert checks == {"p95": True, "p99": False, "failure_ratio": True, "throughput": False}


def test_a_user_class_that_sent_nothing_is_not_checked():
    assert check_levels(MEASURED, {"Popular": UserLevels(p95=1)}, fixed_rate=False) == []


def test_at_a_fixed_rate_throughput_is_not_checked():
    assert check_levels(MEASURED, {"Chat": UserLevels(throughput=1000)}, fixed_rate=True) == []


def test_a_check_names_user_class_limit_and_figures():
    (check,) = check_levels(MEASURED, {"Chat": UserLevels(p99=98)}, fixed_rate=False)
    assert str(check).split() == ["BREACHED", "Chat", "p99", "99", "<=", "98"]


def test_the_shipped_levels_cover_every_user_class():
    levels = read_levels(ROOT / "loadtest" / "slo.yaml")
    assert set(levels) == {"SingleQuestion", "Chat", "Popular", "Mixed"}
    assert all(None not in promised.model_dump().values() for promised in levels.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Chat: {p90: 1}", r"unknown key 'Chat\.p90'; did you mean 'p9"),
        ("Chat: {p95: -1}", r"Chat\.p95: .*greater than 0, got -1"),
        ("Chat: {failure_ratio: 2}", r"Chat\.failure_ratio"),
        ("Chat: {p95: fast}", r"Chat\.p95: .*got 'fast'"),
        ("- 1", "dictionary"),
        ("", "dictionary"),
        ("{", "is not YAML"),
        ("Chat:\n\t{p95: 1}", "is not YAML"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str):
    file = tmp_path / "slo.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=message) as refused:
        read_levels(file)
    assert "\n" not in str(refused.value)
    assert "slo.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"), [("", "is a directory"), ("missing.yaml", "is missing"), ("utf16.yaml", "save it as UTF-8")]
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, message: str):
    (tmp_path / "utf16.yaml").write_text("Chat: {p95: 1}", encoding="utf-16")
    with pytest.raises(RecipeError, match=message):
        read_levels(tmp_path / name)


def test_a_byte_order_mark_and_crlf_are_read(tmp_path: Path):
    file = tmp_path / "slo.yaml"
    file.write_bytes("\ufeffChat: {p95: 1}\r\nMixed: {p99: 2}\r\n".encode())
    assert set(read_levels(file)) == {"Chat", "Mixed"}
