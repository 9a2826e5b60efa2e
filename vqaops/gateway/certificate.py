"""The certificate that the gateway presents to clients, and its private key."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from vqaops.errors import ServerError

DAYS = 365


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two PEM files.

    Attributes:
        chain: The certificate, followed by those of its issuers.
        key: The private key.
    """

    chain: Path
    key: Path

    def create_self_signed(self) -> None:
        """Create a self-signed certificate for localhost, unless both files exist.

        Raises:
            ServerError: openssl is not installed, or fails.
        """
        if self.chain.exists() and self.key.exists():
            return
        self.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
            *("-days", str(DAYS), "-subj", "/CN=localhost", "-keyout", str(self.key), "-out", str(self.chain)),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-addext", "extendedKeyUsage=serverAuth"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            raise ServerError(
                "openssl is not installed; install it, or set certificate and certificate_key in gateway.yaml"
            ) from None
        if done.returncode:
            raise ServerError(f"openssl created no certificate: {done.stderr.strip()}")
