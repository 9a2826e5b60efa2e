"""The command line that asks a question with curl, safe to paste into a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from vqaops.paths import short_path
from vqaops.server.server import Server


def curl_command(server: Server, model: str, picture: Path, question: str) -> str:
    """A curl command for a question about a picture.

    Args:
        server: The running server; its token is read from ``auth.header``.
        model: The model.
        picture: An image file.
        question: The question; it is sent as it is, whatever curl's ``-F`` would make of its first character.
    """
    addresses = server.client.addresses
    arguments = [
        *("-H", f"@{short_path(server.auth_header)}"),
        *("-F", f"image=@{_quoted(str(short_path(picture)))}"),
        *("--form-string", f"question={question}"),
    ]
    return f"curl {shlex.join(arguments)} {addresses.curl(f'{addresses.inference}/predictions/{model}')}"


def _quoted(path: str) -> str:
    """A file name by the rules of curl's ``-F``, which splits an unquoted one at commas and semicolons."""
    if not any(one in path for one in ',;"\\'):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
