"""URLs of pictures, and the hosts that a recipe lists, in one canonical form so that both can be compared."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from vqaserve.errors import InvalidImage

_PORTS = {"https": 443, "http": 80}
_LONGEST = 2048
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True, slots=True)
class PictureUrl:
    """A URL whose scheme and host are in lower case and whose port is a number.

    Attributes:
        scheme: ``https`` or ``http``.
        host: A name, an IPv4 address, or an IPv6 address without brackets; without a final dot.
        port: The port, the scheme's own if the URL has none.
        target: Path and query as they came; never empty.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> PictureUrl:
        """Read a client's URL.

        Raises:
            InvalidImage: The URL is not absolute http or https, holds a user name, or is written in a way that URL
                readers disagree about.
        """
        text = text.strip(" \t\r\n")
        if len(text) > _LONGEST or not re.fullmatch(r"[!-~]*", text) or "\\" in text:
            raise InvalidImage(
                f"the picture's URL is over {_LONGEST:,} characters, or holds a space, a control character, a "
                "backslash or a letter that is not ASCII; percent-encode these"
            )
        try:
            parts = urlsplit(text)
            host, port = (parts.hostname or "").removesuffix("."), parts.port
        except ValueError:
            raise InvalidImage("the picture's URL cannot be read; write https://host/path") from None
        if parts.scheme not in _PORTS:
            raise InvalidImage(f"the picture's URL has the scheme {parts.scheme[:20]!r}; only https is fetched")
        if parts.username is not None or parts.password is not None:
            raise InvalidImage("the picture's URL holds a user name or password; leave them out")
        return cls(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, _target(parts))

    @property
    def authority(self) -> str:
        """Host and port as in the ``Host`` header; the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def listed_as(self) -> str:
        """The host in the form of ``listed_host``."""
        return self.authority if self.scheme == "https" else f"http://{self.authority}"

    def __str__(self) -> str:
        """Return the URL."""
        return f"{self.scheme}://{self.authority}{self.target}"


def listed_host(text: str) -> str:
    """Return a host of ``allowed_image_hosts`` in canonical form.

    Args:
        text: A host, with a port if it is not the scheme's own, and with ``http://`` if it is fetched without TLS.

    Raises:
        ValueError: It is not a host.
    """
    try:
        parts = urlsplit(text.strip() if "://" in text else f"https://{text.strip()}")
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, port, parts = "", None, SplitResult("", "", "", "", "")
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or extra or not _is_host(host):
        raise ValueError(
            f"{text!r:.80} is not a host; write images.example.org, images.example.org:8443 or http://images.lan"
        )
    return PictureUrl(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, "/").listed_as


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _is_host(host: str) -> bool:
    if ":" not in host:
        return bool(_HOST_NAME.fullmatch(host))
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
