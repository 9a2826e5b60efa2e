"""The command line and the environment that TorchServe's Java process is started with."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import ts

from vqaops.paths import DEPLOY
from vqaops.server.java import find_java
from vqaops.server.raw_bodies import write_raw_bodies_patch
from vqaops.server.run_folder import RunFolder

INHERITED = re.compile(
    r"PATH|HOME|USER|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|(CUDA|NVIDIA|NCCL|OMP|MKL|ONEDNN|KMP|OPENBLAS|TORCH|PYTORCH|MALLOC)_\w+"
    r"|GLIBC_TUNABLES"
)
"""Variables that a server inherits from the shell. The list names what is allowed: secrets have too many names to be
excluded, and some variables would override what is set here (TS_CONFIG_FILE, PYTHONPATH)."""
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31)}
"""Workers keep the memory of one forward pass for the next. By default glibc returns large blocks at once, and the page
faults of allocating them again cost as much CPU time as the model `rooms` itself."""


def java_command(folder: RunFolder, store: Path, vmargs: str) -> list[str]:
    """The command that runs TorchServe, to be executed in the run folder.

    Args:
        folder: Its ``config.properties`` is written already.
        store: The model store.
        vmargs: The property ``vmargs``: Java's options, quoted as in a shell.
    """
    home = Path(ts.__file__).parent
    patch = folder.temporary / "front_end"
    write_raw_bodies_patch(patch)
    # Relative, since a class path cannot hold a path with a colon.
    class_path = os.pathsep.join((str(patch.relative_to(folder.path)), str(home / "frontend" / "*")))
    return [
        str(find_java()),
        f"-Dmodel_server_home={home.parent}",
        f"-Djava.io.tmpdir={folder.temporary}",
        f"-Dlog4j.configurationFile={(DEPLOY / 'log4j2.xml').as_uri()}",
        *shlex.split(vmargs),
        *("-cp", class_path, "org.pytorch.serve.ModelServer"),
        *("--python", sys.executable),
        *("-f", str(folder.config)),
        *("-s", str(store)),
        "-ncs",  # a snapshot would override an edited config.properties
    ]


def java_environment(folder: RunFolder) -> dict[str, str]:
    """The environment of Java and of the workers that it starts."""
    temporary = str(folder.temporary)
    inherited = {key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)}
    return {
        **ALLOCATOR,
        **inherited,
        "LC_ALL": "C.UTF-8",  # in the C locale Java cannot open a path that holds an umlaut
        "TEMP": temporary,
        "TMPDIR": temporary,
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore:The pynvml package is deprecated:FutureWarning",  # from torch, before our code runs
        "VQA_RUN": str(folder.path),  # where workers keep their prediction logs
    }
