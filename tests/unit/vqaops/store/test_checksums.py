"""The list of archives, checked by ``sha256sum``, and its signature, made and checked by ``ssh-keygen``."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from vqaops.store import checksums
from vqaserve.errors import RecipeError


def archive_in(folder: Path, name: str = "dummy-1.0.0.mar", content: bytes = b"an archive") -> Path:
    path = folder / name
    path.write_bytes(content)
    checksums.record(path)
    return path


@dataclass(frozen=True)
class Signer:
    """An SSH key, and a list of allowed signers that names its owner."""

    key: Path
    allowed: Path


def signer_in(folder: Path, name: str = "builder@example.org") -> Signer:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is missing: apt-get install openssh-client")
    folder.mkdir()
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = folder / "allowed_signers"
    allowed.write_text(f"{name} {key.with_suffix('.pub').read_text()}")
    return Signer(key, allowed)


def test_sha256sum_itself_accepts_the_list(tmp_path: Path):
    archive_in(tmp_path)
    archive_in(tmp_path, "other-2.0.0.mar", b"another")
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dummy-1.0.0.mar: OK\nother-2.0.0.mar: OK\n"


def test_a_listed_archive_passes_and_its_digest_comes_back(tmp_path: Path):
    archive = archive_in(tmp_path)
    assert checksums.check(archive) == checksums.digest(archive)


def test_an_archive_built_again_replaces_its_line(tmp_path: Path):
    archive_in(tmp_path)
    again = archive_in(tmp_path, content=b"built again")
    checksums.check(again)
    assert len((tmp_path / "SHA256SUMS").read_text().splitlines()) == 1


def test_many_builds_at_once_lose_no_line(tmp_path: Path):
    with ThreadPoolExecutor(16) as pool:
        archives = list(pool.map(lambda n: archive_in(tmp_path, f"m-{n}.mar", str(n).encode()), range(64)))
    for archive in archives:
        checksums.check(archive)
    assert not list(tmp_path.glob(".building-*"))


def test_a_changed_archive_is_refused_with_both_digests(tmp_path: Path):
    archive = archive_in(tmp_path)
    archive.write_bytes(b"an Archive")
    with pytest.raises(RecipeError, match=r"is not what was built: its sha256 is \w{16}\.\.\., SHA256SUMS says \w{16}"):
        checksums.check(archive)


def test_an_archive_that_nobody_listed_is_refused_with_advice(tmp_path: Path):
    stray = tmp_path / "stray-1.0.0.mar"
    stray.write_bytes(b"from somewhere")
    with pytest.raises(RecipeError, match=r"is not in .*SHA256SUMS.*build it again"):
        checksums.check(stray)


def test_a_missing_archive_is_named(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"gone-1\.0\.0\.mar is missing; build it"):
        checksums.check(tmp_path / "nowhere" / "gone-1.0.0.mar")


def test_a_list_that_sha256sum_would_not_write_is_refused(tmp_path: Path):
    archive = archive_in(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("404 not found\n")
    with pytest.raises(RecipeError, match="holds a line that sha256sum does not write"):
        checksums.check(archive)


def test_a_signed_list_passes_for_its_signer(tmp_path: Path):
    archive, signer = archive_in(tmp_path), signer_in(tmp_path / "signer")
    checksums.sign(tmp_path, signer.key)
    assert checksums.check(archive, signer.allowed) == checksums.digest(archive)


def test_an_unsigned_list_is_refused_where_signers_are_asked_for(tmp_path: Path):
    archive, signer = archive_in(tmp_path), signer_in(tmp_path / "signer")
    with pytest.raises(RecipeError, match="SHA256SUMS is not signed; sign it"):
        checksums.check(archive, signer.allowed)


def test_a_strangers_signature_is_refused(tmp_path: Path):
    archive, signer, stranger = archive_in(tmp_path), signer_in(tmp_path / "signer"), signer_in(tmp_path / "stranger")
    checksums.sign(tmp_path, stranger.key)
    with pytest.raises(RecipeError, match="is by nobody in"):
        checksums.check(archive, signer.allowed)


def test_a_list_changed_after_it_was_signed_is_refused(tmp_path: Path):
    archive, signer = archive_in(tmp_path), signer_in(tmp_path / "signer")
    checksums.sign(tmp_path, signer.key)
    archive.write_bytes(b"evil")
    listed = tmp_path / "SHA256SUMS"
    listed.write_text(f"{checksums.digest(archive)}  {archive.name}\n")
    with pytest.raises(RecipeError, match="does not fit SHA256SUMS"):
        checksums.check(archive, signer.allowed)


def test_a_signature_made_for_something_else_is_refused(tmp_path: Path):
    archive, signer = archive_in(tmp_path), signer_in(tmp_path / "signer")
    listed = str(tmp_path / "SHA256SUMS")
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(signer.key), listed], check=True)
    with pytest.raises(RecipeError, match="does not fit SHA256SUMS"):
        checksums.check(archive, signer.allowed)


def test_a_new_line_ends_the_old_signature(tmp_path: Path):
    archive, signer = archive_in(tmp_path), signer_in(tmp_path / "signer")
    checksums.sign(tmp_path, signer.key)
    archive_in(tmp_path, "other-1.0.0.mar")
    with pytest.raises(RecipeError, match="is not signed"):
        checksums.check(archive, signer.allowed)


def test_a_key_that_cannot_sign_is_refused_in_ssh_keygens_words(tmp_path: Path):
    archive_in(tmp_path)
    (tmp_path / "key").write_text("no key")
    with pytest.raises(RecipeError, match=r"cannot sign SHA256SUMS \(ssh-keygen: "):
        checksums.sign(tmp_path, tmp_path / "key")
