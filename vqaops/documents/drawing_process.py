"""Writes the PDF of what was found in a process of its own, which a hostile document can exhaust or crash without harm.

The module is also that process's program. A command may draw in its own process, since it draws its user's own file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqaops.paths import ROOT
from vqaserve.errors import InvalidImage

_MOST_MEMORY = 1_500 * 2**20
_CPU_SECONDS = 60
_SLOWER = 4  # wall-clock seconds for each CPU second, on a busy machine


def draw_apart(document: bytes, pages: Sequence[Mapping[str, Any]], output: Path) -> None:
    """As ``draw_found``.

    Raises:
        InvalidImage: The document takes too much time or memory to draw, or crashes the process.
    """
    command = [sys.executable, "-m", __name__, str(output)]
    sent = json.dumps(list(pages)).encode() + b"\n" + document
    try:
        child = subprocess.run(command, input=sent, capture_output=True, timeout=_SLOWER * _CPU_SECONDS, cwd=ROOT)
    except subprocess.TimeoutExpired:
        child = None
    if child is None or child.returncode:
        raise InvalidImage(f"the document ({len(document):,} bytes) takes too much time or memory to draw")


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from vqaops.documents.drawing import draw_found  # imports PDFium, which only this process needs

    pages = json.loads(sys.stdin.buffer.readline())
    draw_found(sys.stdin.buffer.read(), pages, Path(sys.argv[1]))


if __name__ == "__main__":
    _main()
