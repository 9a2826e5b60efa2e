"""Pictures by URL: off unless a recipe lists hosts, and then only from these, over a connection to a checked address.

A name is resolved once; every address must be public (or in a listed network), and the connection goes to one of
those very addresses, so a name server that changes its mind (DNS rebinding) gains nothing. Redirects start over.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from vqaserve.errors import InvalidImage
from vqaserve.public_addresses import faces, is_public
from vqaserve.settings import RemoteImages

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port -> addresses."""

Asked = tuple[str, str]
"""A request, and a URL in it."""

_PICTURES = 4
"""Of the largest allowed size, in one request: about what it could carry in itself."""

_PORTS = {"https": 443, "http": 80}
_REDIRECTS = {301, 302, 303, 307, 308}
_THREADS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads, as far as its text says."""

    url: str
    scheme: str
    host: str
    port: int


class _Allowance:
    """Bytes that the pictures of one request may still have, whichever thread fetches them."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Use some.

        Raises:
            InvalidImage: There are no more.
        """
        with self._lock:
            self._left -= size
        if self._left < 0:
            raise InvalidImage(
                f"the request's pictures behind URLs have more than {self._size:,} bytes together; send fewer at once"
            )


class Fetcher:
    """Fetches the pictures of a batch side by side, all within one time limit."""

    def __init__(
        self,
        settings: RemoteImages,
        max_bytes: int,
        resolve: Resolve | None = None,
        backend: httpcore.NetworkBackend | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            settings: Hosts, networks and limits; no hosts: every URL is refused.
            max_bytes: Size of a picture file.
            resolve: Stands in for the system's resolver.
            backend: Stands in for the system's sockets; gets nothing but checked addresses.
        """
        self._settings = settings
        self._max_bytes = max_bytes
        self._resolve = resolve or _resolve
        self._backend = backend or httpcore.SyncBackend()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch")

    def fetch(self, asked: Iterable[Asked]) -> Mapping[Asked, bytes | InvalidImage]:
        """The file behind each URL, or why there is none; what one request fetches is bounded, and not another's."""
        deadline = time.monotonic() + self._settings.seconds
        left: dict[str, _Allowance] = defaultdict(lambda: _Allowance(_PICTURES * self._max_bytes))
        jobs = {one: self._pool.submit(self._fetch, one[1], deadline, left[one[0]]) for one in dict.fromkeys(asked)}
        wait(jobs.values(), timeout=self._settings.seconds + 0.5)  # a name server may hang in the system's resolver
        late = InvalidImage(
            f"the picture's URL did not answer within {self._settings.seconds:g} s; send the file itself"
        )
        return {one: job.result() if job.done() else late for one, job in jobs.items()}

    def _fetch(self, url: str, deadline: float, allowance: _Allowance) -> bytes | InvalidImage:
        try:
            for _ in range(self._settings.max_redirects + 1):
                target = self.check_url(url)
                found = self._get(target, deadline, allowance)
                if isinstance(found, bytes):
                    return found
                url = urljoin(url, found)
            raise InvalidImage(
                f"the picture's URL redirects more than {self._settings.max_redirects} times; send the last URL"
            )
        except InvalidImage as error:
            return error
        except (httpcore.TimeoutException, TimeoutError):
            return InvalidImage(
                f"the picture's URL did not answer within {self._settings.seconds:g} s; send the file itself"
            )
        except Exception as error:  # noqa: BLE001 - a thread's rim: whatever a stranger's server does is this picture's fault
            refused = InvalidImage("the picture's URL could not be fetched; send the file itself")
            refused.__cause__ = error  # for the log of who asked
            return refused

    def check_url(self, url: str) -> Target:
        """Where a URL leads, if the recipe allows it.

        Raises:
            InvalidImage: Its scheme, host or port is not listed, or it is written in a way that readers differ about.
        """
        hosts = self._settings.allowed_image_hosts
        if not hosts:
            raise InvalidImage("the picture is a URL, and this server fetches none; send the file or its base64")
        if len(url) > 2048 or not re.fullmatch(r"[!-~]*", url) or "\\" in url:
            raise InvalidImage(
                "the picture's URL is over 2,048 characters, or holds a space, a control character, a backslash or a "
                "letter that is not ASCII; percent-encode these"
            )
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            raise InvalidImage("the picture's URL cannot be read; write https://host/path") from None
        if scheme not in _PORTS:
            raise InvalidImage(f"the picture's URL has the scheme {scheme[:20]!r}; only https is fetched")
        if parts.username is not None or parts.password is not None:
            raise InvalidImage("the picture's URL holds a user name or password; leave them out")
        port = _PORTS[scheme] if port is None else port
        name = host if port == _PORTS[scheme] else f"{host}:{port}"
        if (name if scheme == "https" else f"http://{name}") not in hosts:
            raise InvalidImage(f"pictures are not fetched from {scheme}://{name[:80]}; allowed: {', '.join(hosts)}")
        return Target(url, scheme, host, port)

    def _checked_addresses(self, host: str, port: int) -> list[str]:
        addresses = list(self._resolve(host, port))
        if not addresses:
            raise InvalidImage(f"the host {host[:80]} has no address; is it spelt right?")
        for address in addresses:
            if not self._is_allowed(address):
                raise InvalidImage(f"the host {host[:80]} leads to an address that is not public; send the file itself")
        return addresses

    def _is_allowed(self, address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        listed = any(
            ip in network for network in self._settings.allowed_image_networks if network.version == ip.version
        )
        return listed or all(map(is_public, faces(ip)))

    def _get(self, target: Target, deadline: float, allowance: _Allowance) -> bytes | str:
        """The file, or the location that a redirect names."""
        addresses = self._checked_addresses(target.host, target.port)
        backend = _PinnedBackend(self._backend, addresses, deadline)
        headers = [("Host", urlsplit(target.url).netloc), ("Accept", "image/*"), ("Accept-Encoding", "identity")]
        with (
            httpcore.ConnectionPool(network_backend=backend) as pool,
            pool.stream("GET", target.url.partition("#")[0], headers=headers) as response,
        ):
            given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECTS and "location" in given:
                return given["location"]
            self._check_headers(response.status, given)
            return b"".join(self._limited(response.iter_stream(), allowance))

    def _check_headers(self, status: int, headers: Mapping[str, str]) -> None:
        if status != 200:
            raise InvalidImage(f"the picture's URL answered {status}, not 200; send the file itself")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/"):
            raise InvalidImage(
                f"the picture's URL answered with {kind[:40]!r}, not with a picture; link to the file itself"
            )
        if headers.get("content-encoding", "identity") != "identity":
            raise InvalidImage("the picture's URL answered compressed, which was not asked for; send the file itself")

    def _limited(self, chunks: Iterable[bytes], allowance: _Allowance) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self._max_bytes:
                raise InvalidImage(
                    f"the picture behind the URL has more than {self._max_bytes:,} bytes; make it smaller"
                )
            allowance.take(len(chunk))
            yield chunk


class _PinnedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, whatever the name resolves to by now."""

    def __init__(self, backend: httpcore.NetworkBackend, addresses: Sequence[str], deadline: float) -> None:
        self._backend = backend
        self._addresses = addresses
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """The first of the checked addresses that lets itself be connected to."""
        del host, timeout, local_address, socket_options
        *first, last = self._addresses
        for address in first:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connect(address, port)
        return self._connect(last, port)

    def _connect(self, address: str, port: int) -> httpcore.NetworkStream:
        return _DeadlineStream(self._backend.connect_tcp(address, port, _left(self._deadline)), self._deadline)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every step ends by one deadline: what trickles never times out by itself."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to ``max_bytes``."""
        del timeout
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of it."""
        del timeout
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The certificate is checked against the name in the URL, not the address."""
        del timeout
        return _DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        """As the connection inside."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _resolve(host: str, port: int) -> list[str]:
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
