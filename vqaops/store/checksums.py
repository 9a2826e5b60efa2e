"""The model store's list of archives, ``SHA256SUMS``: written by builds, checked before an archive is served.

An archive is code. The list proves that a file is the one that was built; its signature, where one is required, proves
by whom. ``sha256sum -c SHA256SUMS`` and ``ssh-keygen -Y verify`` read both.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from vqaops.files import locked, replace_whole
from vqaserve.errors import RecipeError
from vqaserve.text_files import read_lines

LIST = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
NAMESPACE = "vqaserve-archives"
"""The signature's namespace: a signature that the key made for commits or other files is not accepted for archives."""
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def digest(path: Path) -> str:
    """The sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(archive: Path) -> None:
    """Write an archive's line into the list beside it, under the folder's lock.

    The signature of the old list is removed, since it does not fit the new one.
    """
    with locked(archive.parent):
        lines = {**_read(archive.parent), archive.name: digest(archive)}
        replace_whole(archive.parent / LIST, "".join(f"{value}  {name}\n" for name, value in sorted(lines.items())))
        (archive.parent / SIGNATURE).unlink(missing_ok=True)


def check(archive: Path, signers: Path | None = None) -> str:
    """Refuse an archive that is not the one in the list beside it.

    Args:
        archive: The file; its folder holds the list.
        signers: An OpenSSH ``allowed_signers`` file; one of these must have signed the list.

    Returns:
        The archive's sha256, hexadecimal.

    Raises:
        RecipeError: The archive is not listed or has another sha256, or the list's signature is missing, broken, or by
            none of the signers.
    """
    folder = archive.parent
    if not archive.is_file():
        raise RecipeError(f"{archive} is missing; build it: scripts/build_mar.py recipes/<name>")
    with locked(folder):
        if signers is not None:
            _verify(folder, signers)
        listed = _read(folder).get(archive.name)
    advice = "build it again (scripts/build_mar.py --replace recipes/<name>), or fetch it with the list of its builder"
    if listed is None:
        raise RecipeError(f"{archive} is not in {folder / LIST}, so nothing says who built it; {advice}")
    found = digest(archive)
    if found != listed:
        raise RecipeError(
            f"{archive} is not what was built: its sha256 is {found[:16]}..., {LIST} says {listed[:16]}...; {advice}"
        )
    return found


def sign(folder: Path, key: Path) -> None:
    """Sign a folder's list with an SSH key; ``ssh-keygen`` asks for the passphrase.

    Raises:
        RecipeError: The key cannot sign.
    """
    folder = folder.resolve()
    with locked(folder):
        (folder / SIGNATURE).unlink(missing_ok=True)
        _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(folder / LIST)], f"{key} cannot sign {LIST}")


def _verify(folder: Path, signers: Path) -> None:
    signature = folder / SIGNATURE
    if not signers.is_file():
        raise RecipeError(f"{signers} is missing; give an OpenSSH allowed_signers file (ssh-keygen(1))")
    if not signature.exists():
        raise RecipeError(f"{folder / LIST} is not signed; sign it: scripts/build_mar.py --sign KEY recipes/<name>")
    files = ["-f", str(signers), "-s", str(signature)]
    signer = _ssh_keygen(
        ["-Y", "find-principals", *files], f"{signature} is by nobody in {signers}; sign with a key of one of them"
    )
    _ssh_keygen(
        ["-Y", "verify", *files, "-n", NAMESPACE, "-I", signer.partition("\n")[0]],
        f"{signature} does not fit {LIST}: one of them was changed; sign again, or find out who changed it",
        (folder / LIST).read_bytes(),
    )


def _ssh_keygen(arguments: list[str], refusal: str, text: bytes = b"") -> str:
    try:
        done = subprocess.run(["ssh-keygen", *arguments], input=text, capture_output=True)
    except FileNotFoundError:
        raise RecipeError("signatures need ssh-keygen; install it: apt-get install openssh-client") from None
    if done.returncode:
        output = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RecipeError(f"{refusal} (ssh-keygen: {output})")
    return done.stdout.decode()


def _read(folder: Path) -> dict[str, str]:
    """The sha256 of each listed file, by name; empty if there is no list."""
    file = folder / LIST
    listed = {}
    for number, line in enumerate(read_lines(file) if file.exists() else [], 1):
        if not line.strip():
            continue
        if not (found := _LINE.fullmatch(line)):
            raise RecipeError(f"{file}:{number} holds a line that sha256sum does not write; delete it and build again")
        listed[found[2]] = found[1]
    return listed
