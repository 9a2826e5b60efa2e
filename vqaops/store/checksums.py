"""The store's list of archives, ``SHA256SUMS``: written where they are built, checked where they are served.

An archive is code. The list says that a file is the one that was built; its signature, where one is asked for, says by
whom. Both are other people's formats: ``sha256sum -c SHA256SUMS`` and ``ssh-keygen -Y verify`` read them too.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from vqaops.files import locked, replace_whole
from vqaserve.errors import RecipeError

LIST = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
NAMESPACE = "vqaserve-archives"
"""Of the signature: a key that signs commits or files elsewhere cannot be tricked into signing archives."""
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def digest(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(archive: Path) -> None:
    """Write an archive's line into the list beside it, whoever else is writing one.

    A signature of the list as it was before is removed: it would no longer be one.
    """
    with locked(archive.parent):
        lines = {**_read(archive.parent), archive.name: digest(archive)}
        replace_whole(archive.parent / LIST, "".join(f"{value}  {name}\n" for name, value in sorted(lines.items())))
        (archive.parent / SIGNATURE).unlink(missing_ok=True)


def check(archive: Path, signers: Path | None = None) -> str:
    """Refuse an archive that is not the one that the list beside it names.

    Args:
        archive: The file; its folder holds the list.
        signers: An OpenSSH ``allowed_signers`` file; the list must then be signed by one of these.

    Returns:
        The archive's sha256, hexadecimal.

    Raises:
        RecipeError: The archive is not listed or is another one than listed, or the list's signature is missing,
            broken, or by nobody on the signers' list.
    """
    folder = archive.parent
    if not archive.is_file():
        raise RecipeError(f"{archive} is missing; build it: scripts/build_mar.py recipes/<name>")
    with locked(folder):
        if signers is not None:
            _verify(folder, signers)
        listed = _read(folder).get(archive.name)
    advice = (
        "build it again (scripts/build_mar.py --replace recipes/<name>), or fetch it with its list from who built it"
    )
    if listed is None:
        raise RecipeError(f"{archive} is not in {folder / LIST}, so nothing says who built it; {advice}")
    found = digest(archive)
    if found != listed:
        raise RecipeError(
            f"{archive} is not what was built: its sha256 is {found[:16]}..., {LIST} says {listed[:16]}...; {advice}"
        )
    return found


def sign(folder: Path, key: Path) -> None:
    """Sign the list of a folder with an SSH key; ``ssh-keygen`` asks for a passphrase itself.

    Raises:
        RecipeError: The key cannot sign.
    """
    with locked(folder):
        (folder / SIGNATURE).unlink(missing_ok=True)
        _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(folder / LIST)], f"{key} cannot sign {LIST}")


def _verify(folder: Path, signers: Path) -> None:
    signature = folder / SIGNATURE
    if not signers.is_file():
        raise RecipeError(f"{signers} is missing; give an OpenSSH allowed_signers file (ssh-keygen(1))")
    if not signature.exists():
        raise RecipeError(f"{folder / LIST} is not signed; sign it: scripts/build_mar.py --sign KEY recipes/<name>")
    given = ["-f", str(signers), "-s", str(signature)]
    whose = _ssh_keygen(
        ["-Y", "find-principals", *given], f"{signature} is by nobody in {signers}; sign with a key that is there"
    )
    _ssh_keygen(
        ["-Y", "verify", *given, "-n", NAMESPACE, "-I", whose.splitlines()[0]],
        f"{signature} does not fit {LIST}: one of the two was changed; sign again, or find out who did",
        (folder / LIST).read_bytes(),
    )


def _ssh_keygen(arguments: list[str], refusal: str, text: bytes = b"") -> str:
    try:
        done = subprocess.run(["ssh-keygen", *arguments], input=text, capture_output=True)
    except FileNotFoundError:
        raise RecipeError("signatures need ssh-keygen; install it: apt-get install openssh-client") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RecipeError(f"{refusal} (ssh-keygen: {said})")
    return done.stdout.decode()


def _read(folder: Path) -> dict[str, str]:
    """The listed files' names and sha256; empty where there is no list."""
    try:
        text = (folder / LIST).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    if not all(found):
        raise RecipeError(f"{folder / LIST} holds a line that sha256sum does not write; delete it and build again")
    return {line[2]: line[1] for line in found if line}
