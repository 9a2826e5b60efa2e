"""The command line that asks a question with curl, safe to paste into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from vqaops.paths import short_path
from vqaops.server.server import Server


def curl_command(server: Server, model: str, picture: Path, form: Mapping[str, str]) -> str:
    """A curl command that asks a model about a picture.

    Args:
        server: The running server; its token is read from ``auth.header``.
        model: The model.
        picture: An image file.
        form: The other fields of the form, such as ``question``. They are sent as they are, whatever curl's ``-F``
            would make of their first character.
    """
    addresses = server.client.addresses
    arguments = [
        *("-H", f"@{short_path(server.auth_header)}"),
        *("-F", f"image=@{_quoted(str(short_path(picture)))}"),
        *(word for name, value in form.items() for word in ("--form-string", f"{name}={value}")),
    ]
    return f"curl {shlex.join(arguments)} {addresses.curl(f'{addresses.inference}/predictions/{model}')}"


def _quoted(path: str) -> str:
    """A file name by the rules of curl's ``-F``, which splits an unquoted one at commas and semicolons."""
    if not any(one in path for one in ',;"\\'):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
