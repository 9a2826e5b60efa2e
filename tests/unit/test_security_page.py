"""SECURITY.md says what is so: the tests it names are there, and the versions it judged are those that are used."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import ts

from scripts.build_mar import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_the_threat_model_names_is_there():
    named = re.findall(r"`([\w/]+/test_\w+\.py)`", PAGE)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_the_packages_that_were_looked_at_are_the_pinned_ones():
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    for package in ("torch", "transformers", "pillow"):
        assert f"| {package} {pinned[package]} |" in PAGE, f"{package} has changed: look at its advisories again"
    assert f"torchserve {pinned['torchserve']}" in PAGE


def test_the_netty_that_the_gateway_contains_is_the_one_in_the_jar():
    with zipfile.ZipFile(Path(ts.__file__).parent / "frontend" / "model-server.jar") as jar:
        versions = jar.read("META-INF/io.netty.versions.properties").decode()
    found = re.search(r"^netty-codec-http\.version=(.+)\.Final$", versions, re.M)
    assert found
    assert f"Netty {found[1]} " in PAGE
