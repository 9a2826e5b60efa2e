"""Secrets and pickles in files that are about to be published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from vqaserve.errors import RecipeError
from vqaserve.file_kinds import is_safetensors

_SECRETS: Final = {
    "an access token of the Hugging Face Hub": rb"\bhf_[A-Za-z0-9]{30,}",
    "an API key of the gateway": rb"\bvqa_[A-Za-z0-9_-]{43}",
    "tokens of TorchServe": rb'"key":\s*"[^"]+",\s*"expiration time"',
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
"""What users of this project hold, with its pattern."""
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05]|PK\x03\x04")
"""The first bytes of a pickle since protocol 2, and of a zip file, as PyTorch saves checkpoints."""
_CHUNK: Final = 1 << 20
_LONGEST: Final = 256
"""Bytes of the longest secret that is found where two chunks meet."""


def check_files(files: Mapping[str, Path], token: str | None = None) -> None:
    """Refuse files that hold a secret or a pickle.

    Args:
        files: The local file for each path in the repository.
        token: The access token in use.

    Raises:
        RecipeError: A file holds one; the message names the first.
    """
    kinds = {what: re.compile(pattern) for what, pattern in _SECRETS.items()}
    if token:
        kinds["the access token in use"] = re.compile(re.escape(token.encode()))
    for name, path in files.items():
        if _is_pickle(path):
            raise RecipeError(f"{path} is a pickle or an archive, which would run code where it is loaded; remove it")
        for chunk in _chunks(path):
            for what, pattern in kinds.items():
                if pattern.search(chunk):
                    raise RecipeError(f"{path} holds {what}; remove it, then publish {name}")


def _is_pickle(path: Path) -> bool:
    if path.suffix == ".safetensors":
        return not is_safetensors(path)
    with path.open("rb") as file:
        return _PICKLE.match(file.read(4)) is not None


def _chunks(path: Path) -> Iterator[bytes]:
    """Overlapping chunks of a file; of safetensors the header, because tensors are numbers."""
    with path.open("rb") as file:
        if path.suffix == ".safetensors":
            yield file.read(int.from_bytes(file.read(8), "little"))
            return
        end = b""
        while chunk := file.read(_CHUNK):
            yield end + chunk
            end = chunk[-_LONGEST:]
