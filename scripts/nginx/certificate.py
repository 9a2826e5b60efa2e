"""A certificate that the gateway signs itself, for a first try."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.refusal import ServerError

DAYS = 365


def self_signed(folder: Path) -> tuple[Path, Path]:
    """The folder's certificate and its key, made if they are not there: for localhost, and its own authority.

    Raises:
        ServerError: openssl is missing, or fails.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if certificate.exists() and key.exists():
        return certificate, key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-days", str(DAYS), "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-addext", "extendedKeyUsage=serverAuth"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise ServerError("openssl is not installed; install it, or give certificate and certificate_key") from None
    if done.returncode:
        raise ServerError(f"openssl made no certificate: {done.stderr.strip()}")
    return certificate, key
