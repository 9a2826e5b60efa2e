"""Pictures by URL: only from the hosts that a recipe lists, over connections to checked addresses.

A host name is resolved once. Every address must be public or in a listed network, and the connection goes to one of
these addresses, so a name server that changes its answer (DNS rebinding) gains nothing. Each redirect starts over.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from urllib.parse import urljoin

import httpcore

from vqaserve.errors import InvalidImage
from vqaserve.picture_urls import PictureUrl
from vqaserve.pinned_connections import PinnedBackend
from vqaserve.public_addresses import is_public, with_embedded
from vqaserve.settings import RemoteImages

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port -> addresses."""

RequestUrl = tuple[str, str]
"""A request's label, and a URL in it."""

_PICTURES_PER_REQUEST = 4
"""Pictures of the largest allowed size that one request may fetch; a request body holds about as many."""

_REDIRECTS = {301, 302, 303, 307, 308}
_THREADS = 8
"""Pictures that one request fetches at a time. Each request has threads of its own, which end with its batch, so that
no other request waits for its slow hosts, nor for a resolver that hangs."""

_BINARY = {"application/octet-stream", "binary/octet-stream", ""}
"""Media types that file stores give every file; the decoder finds out whether it is a picture."""

_CONTAINERS = {"gzip": 31, "x-gzip": 31, "deflate": 47}
"""zlib's ``wbits`` for each content coding that is undone."""
_PIECE_BYTES = 64 * 1024


class _ByteBudget:
    """The bytes that the URLs of one request may still fetch, on all threads together."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._lock = threading.Lock()

    def spend(self, size: int) -> None:
        """Take bytes from the budget.

        Raises:
            InvalidImage: The budget is exceeded.
        """
        with self._lock:
            self._left -= size
        if self._left < 0:
            raise InvalidImage(
                f"the request's pictures behind URLs have more than {self._size:,} bytes together; send fewer at once"
            )


class Fetcher:
    """Fetches the pictures of a batch side by side, within one time limit."""

    def __init__(
        self,
        settings: RemoteImages,
        max_bytes: int,
        resolve: Resolve | None = None,
        backend: httpcore.NetworkBackend | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            settings: Hosts, networks and limits; without hosts every URL is refused.
            max_bytes: The largest picture file.
            resolve: Replaces the system's resolver.
            backend: Replaces the system's sockets; it gets only checked addresses.
        """
        self._settings = settings
        self._max_bytes = max_bytes
        self._resolve = resolve or _resolve
        self._backend = backend or httpcore.SyncBackend()
        # Read once, and not while requests wait: it takes 50 ms of CPU time.
        is_plain = all(host.startswith("http://") for host in settings.allowed_image_hosts)
        self._authorities = None if is_plain else httpcore.default_ssl_context()

    def fetch(self, urls: Iterable[RequestUrl]) -> Mapping[RequestUrl, bytes | InvalidImage]:
        """Return the file behind each URL, or the error; the limits of one request do not affect another's."""
        deadline = time.monotonic() + self._settings.seconds
        wanted: dict[str, dict[str, None]] = defaultdict(dict)  # each URL once, in order
        for request, url in urls:
            wanted[request][url] = None
        jobs: dict[RequestUrl, Future[bytes | InvalidImage]] = {}
        pools = []
        for request, own in wanted.items():
            budget = _ByteBudget(_PICTURES_PER_REQUEST * self._max_bytes)
            pools.append(pool := ThreadPoolExecutor(min(_THREADS, len(own)), thread_name_prefix="fetch"))
            jobs |= {(request, url): pool.submit(self._fetch, url, deadline, budget) for url in own}
        done, _ = wait(jobs.values(), timeout=self._settings.seconds + 0.5)  # the system's resolver may hang
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        return {one: job.result() if job in done else self._too_late() for one, job in jobs.items()}

    def check_url(self, text: str) -> PictureUrl:
        """Read a URL whose host the recipe lists.

        Raises:
            InvalidImage: The URL is malformed, or its scheme, host or port is not listed.
        """
        hosts = self._settings.allowed_image_hosts
        if not hosts:
            raise InvalidImage("the picture is a URL, and this server fetches none; send the file or its base64")
        url = PictureUrl.parse(text)
        if url.listed_as not in hosts:
            raise InvalidImage(
                f"pictures are not fetched from {url.scheme}://{url.authority[:80]}; allowed: {', '.join(hosts)}"
            )
        return url

    def _fetch(self, text: str, deadline: float, budget: _ByteBudget) -> bytes | InvalidImage:
        try:
            return self._follow(text, deadline, budget)
        except InvalidImage as error:
            return error
        except (httpcore.TimeoutException, TimeoutError):
            return self._too_late()
        except Exception as error:  # noqa: BLE001 - whatever a remote server does fails this picture only
            refused = InvalidImage("the picture's URL could not be fetched; send the file itself")
            refused.__cause__ = error  # logged with the request
            return refused

    def _follow(self, text: str, deadline: float, budget: _ByteBudget) -> bytes:
        for _ in range(self._settings.max_redirects + 1):
            url = self.check_url(text)
            found = self._get(url, deadline, budget)
            if isinstance(found, bytes):
                return found
            text = urljoin(str(url), found.strip())
        raise InvalidImage(
            f"the picture's URL redirects more than {self._settings.max_redirects} times; send the last URL"
        )

    def _get(self, url: PictureUrl, deadline: float, budget: _ByteBudget) -> bytes | str:
        """Return the file, or the location of a redirect."""
        backend = PinnedBackend(self._backend, self._checked_addresses(url), deadline)
        headers = [
            ("Host", url.authority),
            ("User-Agent", "vqaserve"),  # some image hosts refuse requests without one
            ("Accept", "image/*"),
            ("Accept-Encoding", "identity"),
        ]
        with (
            httpcore.ConnectionPool(ssl_context=self._authorities, network_backend=backend) as pool,
            pool.stream("GET", str(url), headers=headers) as response,
        ):
            given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECTS and "location" in given:
                return given["location"]
            _check_headers(response.status, given)
            packed = self._bounded(response.iter_stream(), budget)
            return b"".join(_unpacked(packed, given.get("content-encoding", ""), self._max_bytes))

    def _checked_addresses(self, url: PictureUrl) -> list[str]:
        addresses = list(self._resolve(url.host, url.port))
        if not addresses:
            raise InvalidImage(f"the host {url.host[:80]} has no address; check its spelling")
        for address in addresses:
            if not self._is_allowed(address):
                raise InvalidImage(
                    f"the host {url.host[:80]} leads to an address that is not public; send the file itself"
                )
        return addresses

    def _is_allowed(self, address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        networks = self._settings.allowed_image_networks
        listed = any(ip in network for network in networks if network.version == ip.version)
        return listed or all(map(is_public, with_embedded(ip)))

    def _bounded(self, chunks: Iterable[bytes], budget: _ByteBudget) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self._max_bytes:
                raise _too_large(self._max_bytes)
            budget.spend(len(chunk))
            yield chunk

    def _too_late(self) -> InvalidImage:
        return InvalidImage(
            f"the picture's URL did not answer within {self._settings.seconds:g} s; send the file itself"
        )


def _check_headers(status: int, headers: Mapping[str, str]) -> None:
    if status != 200:
        raise InvalidImage(f"the picture's URL answered {status}, not 200; send the file itself")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.startswith("image/") and kind not in _BINARY:
        raise InvalidImage(
            f"the picture's URL answered with {kind[:40]!r}, not with a picture; link to the file itself"
        )


def _unpacked(chunks: Iterable[bytes], content_encoding: str, limit: int) -> Iterator[bytes]:
    """Undo the content coding of a server that ignores ``Accept-Encoding: identity``, in pieces of bounded size.

    Raises:
        InvalidImage: The coding is not supported, the data is not of this coding, or it unpacks to more than ``limit``
            bytes.
    """
    coding = content_encoding.strip().lower()
    if coding in ("", "identity"):
        yield from chunks
        return
    if coding not in _CONTAINERS:
        raise InvalidImage(f"the picture's URL answered compressed with {coding[:40]!r}; send the file itself")
    inflater, size = zlib.decompressobj(_CONTAINERS[coding]), 0
    try:
        for chunk in chunks:
            while chunk and not inflater.eof:
                piece = inflater.decompress(chunk, _PIECE_BYTES)
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                yield piece
                chunk = inflater.unconsumed_tail
    except zlib.error:
        raise InvalidImage(f"the picture's URL answered with damaged {coding} data; send the file itself") from None
    if not inflater.eof:
        raise InvalidImage(f"the picture's URL answered with {coding} data that is cut off; send the file itself")


def _too_large(limit: int) -> InvalidImage:
    return InvalidImage(f"the picture behind the URL has more than {limit:,} bytes; make it smaller")


def _resolve(host: str, port: int) -> list[str]:
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
