"""Attempts to make the server fetch what it must not. No test connects beyond loopback.

Refusals are shown at the guard: the socket layer under it records every attempt to connect, and refuses it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

import httpcore
import pytest

from tests.support.pictures import encoded
from tests.support.sites import Site
from vqaserve.errors import InvalidImage
from vqaserve.remote import Fetcher
from vqaserve.settings import RemoteImages

PUBLIC = "93.184.215.14"
PNG = encoded()


class Recorder(httpcore.NetworkBackend):
    """A socket layer that notes where it was asked to connect, and never does."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, timeout=None, local_address=None, socket_options=None):
        self.attempts.append((host, port))
        raise httpcore.ConnectError("recorded, not connected")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def fetcher(recorder: Recorder, addresses: list[str] | None = None, **settings: object) -> Fetcher:
    listed = {"allowed_image_hosts": ("images.example.org",), "seconds": 2, **settings}
    return Fetcher(RemoteImages(**listed), 100_000, lambda host, port: addresses or [PUBLIC], recorder)


def refusal(fetch: Fetcher, url: str) -> str:
    found = fetch.fetch([("r", url)])["r", url]
    assert isinstance(found, InvalidImage)
    return str(found)


def test_without_listed_hosts_every_url_is_refused(recorder: Recorder):
    fetch = fetcher(recorder, allowed_image_hosts=())
    assert "this server fetches none" in refusal(fetch, "https://images.example.org/x.png")
    assert recorder.attempts == []


def test_a_listed_host_is_connected_to_at_the_address_that_was_checked(recorder: Recorder):
    assert "could not be fetched" in refusal(fetcher(recorder), "https://images.example.org/x.png")
    assert recorder.attempts == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x.png",
        "https://images.example.org.evil.test/x.png",
        "https://evil.test/images.example.org",
        "https://evil.test?images.example.org",
        "https://evil.test#images.example.org",
        "https://images.example.org@evil.test/",
        "https://images.example.org:pw@evil.test/",
        "https://user@images.example.org/",
        "https://images.example.org:8443/",
        "https://images.example.org:22/",
        "https://images.example.org:99999/",
        "http://images.example.org/",
        "https://evil.test\\@images.example.org/",
        "https://images.example.org\r\nHost: evil.test/",
        "https://images.example.org\t.evil.test/",
        "https:///x.png",
        "https://[::1/",
        "//images.example.org/x.png",
        "file:///etc/passwd",
        "file://images.example.org/etc/passwd",
        "ftp://images.example.org/x.png",
        "gopher://images.example.org:70/_x",
        "data:text/html,x",
        "javascript:alert(1)",
        "https://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254/latest/meta-data/",
        "https://metadata.google.internal/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://2130706433/",
        "https://0/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://①②⑦.⓪.⓪.①/",
        "https://images.example.org/" + "x" * 3000,
        "https://images.example.org/Küche.jpg",
    ],
)
def test_a_url_that_does_not_lead_to_a_listed_host_connects_to_nothing(recorder: Recorder, url: str):
    assert refusal(fetcher(recorder), url)
    assert recorder.attempts == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "fec0::1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo around 127.0.0.1
    ],
)
def test_a_listed_name_that_leads_to_a_private_address_connects_to_nothing(recorder: Recorder, address: str):
    url = "https://images.example.org/x.png"
    assert "an address that is not public" in refusal(fetcher(recorder, [address]), url)
    assert "an address that is not public" in refusal(fetcher(recorder, [PUBLIC, address]), url)
    assert recorder.attempts == []


def test_a_private_address_is_connected_to_when_its_network_is_listed(recorder: Recorder):
    fetch = fetcher(recorder, ["10.1.2.3"], allowed_image_networks=("10.1.2.0/24",))
    refusal(fetch, "https://images.example.org/x.png")
    assert recorder.attempts == [("10.1.2.3", 443)]


def test_a_name_is_resolved_once_and_only_the_checked_address_is_connected_to(recorder: Recorder):
    answers = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    settings = RemoteImages(allowed_image_hosts=("images.example.org",), seconds=2)
    refusal(Fetcher(settings, 1000, rebinding, recorder), "https://images.example.org/x.png")
    assert asked == ["images.example.org"]
    assert recorder.attempts == [(PUBLIC, 443)]


def test_a_resolver_that_hangs_costs_no_more_than_the_limit(recorder: Recorder):
    release = threading.Event()

    def hanging(host: str, port: int) -> list[str]:
        release.wait(20)
        return [PUBLIC]

    settings = RemoteImages(allowed_image_hosts=("images.example.org",), seconds=0.3)
    assert "did not answer within" in refusal(Fetcher(settings, 1000, hanging, recorder), "https://images.example.org/")
    release.set()


@pytest.fixture(scope="module")
def site() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch_from(site: ThreadingHTTPServer) -> Callable[[str], bytes | str]:
    """Fetches a page of the site, whose name leads to loopback, which is listed; the bytes, or the refusal."""
    host = f"http://pictures.test:{site.server_port}"
    settings = RemoteImages(allowed_image_hosts=(host,), allowed_image_networks=("127.0.0.0/8",), seconds=2)
    fetch = Fetcher(settings, 100_000, lambda name, port: ["127.0.0.1"])

    def get(page: str) -> bytes | str:
        found = fetch.fetch([("r", f"{host}/{page}")])["r", f"{host}/{page}"]
        return found if isinstance(found, bytes) else str(found)

    return get


def test_a_picture_is_fetched(fetch_from):
    assert fetch_from("good") == PNG


def test_a_redirect_within_the_list_is_followed(fetch_from):
    assert fetch_from("once") == PNG


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("html", "answered with 'text/html', not with a picture"),
        ("missing", "answered 404"),
        ("loop", "redirects more than 3 times"),
        ("inside", "pictures are not fetched from http://127.0.0.1"),
        ("elsewhere", "only https is fetched"),
        ("broken", "could not be fetched"),
        ("latin", "not ASCII"),
        ("bomb", "answered compressed"),
        ("endless", "has more than 100,000 bytes"),
        ("slow", "did not answer within 2 s"),
    ],
)
def test_trouble_behind_a_listed_url_is_a_refusal(fetch_from, page: str, message: str):
    assert message in fetch_from(page)


def test_pictures_of_a_batch_are_fetched_side_by_side_within_one_limit(fetch_from, site: ThreadingHTTPServer):
    host = f"http://pictures.test:{site.server_port}"
    settings = RemoteImages(allowed_image_hosts=(host,), allowed_image_networks=("127.0.0.0/8",), seconds=1)
    fetch = Fetcher(settings, 100_000, lambda name, port: ["127.0.0.1"])
    found = fetch.fetch([*(("r", f"{host}/slow/{number}") for number in range(6)), ("r", f"{host}/good")])
    assert found["r", f"{host}/good"] == PNG
    assert sum(isinstance(one, InvalidImage) for one in found.values()) == 6


def test_one_requests_pictures_are_bounded_together_and_not_anothers(site: ThreadingHTTPServer):
    host = f"http://pictures.test:{site.server_port}"
    settings = RemoteImages(allowed_image_hosts=(host,), allowed_image_networks=("127.0.0.0/8",), seconds=20)
    fetch = Fetcher(settings, len(PNG), lambda name, port: ["127.0.0.1"])
    found = fetch.fetch([*(("greedy", f"{host}/good/{number}") for number in range(6)), ("modest", f"{host}/good/0")])
    refused = [str(one) for one in found.values() if isinstance(one, InvalidImage)]
    assert found["modest", f"{host}/good/0"] == PNG
    assert len(refused) == 2
    assert f"have more than {4 * len(PNG)} bytes together" in refused[0]
