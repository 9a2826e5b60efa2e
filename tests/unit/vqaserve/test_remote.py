"""Attempts to make the server fetch what it must not. No test connects beyond loopback.

Refusals are shown at the guard: the socket layer under it records every attempt to connect, and refuses it.
"""

from __future__ import annotations

import threading

import httpcore
import pytest

from vqaserve.errors import InvalidImage
from vqaserve.remote import Fetcher
from vqaserve.settings import RemoteImages

PUBLIC = "93.184.215.14"


class Recorder(httpcore.NetworkBackend):
    """A socket layer that records each attempt to connect and refuses it."""

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
    "url",
    [
        "https://images.example.org",
        "HTTPS://images.example.org/x.png",
        "https://IMAGES.Example.Org/x.png",
        "https://images.example.org:443/x.png",
        "https://images.example.org:/x.png",
        "https://images.example.org./x.png",
        "https://images.example.org?size=large",
        "https://images.example.org/a%20b%2Fc%C3%BC.png?x=%26#part",
        "  https://images.example.org/x.png\n",
    ],
)
def test_a_listed_host_is_recognised_however_its_url_is_written(recorder: Recorder, url: str):
    assert "could not be fetched" in refusal(fetcher(recorder), url)
    assert recorder.attempts == [(PUBLIC, 443)]


def test_an_ipv6_address_can_be_listed(recorder: Recorder):
    fetch = fetcher(recorder, ["2606:4700::1"], allowed_image_hosts=("[2606:4700::1]:8443",))
    assert "could not be fetched" in refusal(fetch, "https://[2606:4700::1]:8443/x.png")
    assert recorder.attempts == [("2606:4700::1", 8443)]


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


def test_a_resolver_that_hangs_takes_no_longer_than_the_limit(recorder: Recorder):
    release = threading.Event()

    def hanging(host: str, port: int) -> list[str]:
        release.wait(20)
        return [PUBLIC]

    settings = RemoteImages(allowed_image_hosts=("images.example.org",), seconds=0.3)
    assert "did not answer within" in refusal(Fetcher(settings, 1000, hanging, recorder), "https://images.example.org/")
    release.set()


def test_a_resolver_that_hangs_delays_no_later_batch(recorder: Recorder):
    release = threading.Event()

    def hanging_first(host: str, port: int) -> list[str]:
        if host.startswith("a"):
            release.wait(20)
        return [PUBLIC]

    settings = RemoteImages(allowed_image_hosts=("a.example.org", "b.example.org"), seconds=0.3)
    fetch = Fetcher(settings, 1000, hanging_first, recorder)
    fetch.fetch([("r", f"https://a.example.org/{number}") for number in range(20)])
    assert "could not be fetched" in refusal(fetch, "https://b.example.org/")
    release.set()
    assert recorder.attempts == [(PUBLIC, 443)]


def test_the_trusted_authorities_are_read_once_for_all_pictures(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    reads, read = [], httpcore.default_ssl_context

    def counted():
        reads.append(1)
        return read()

    monkeypatch.setattr(httpcore, "default_ssl_context", counted)
    fetch = fetcher(recorder)
    for number in range(3):
        refusal(fetch, f"https://images.example.org/{number}.png")
    assert len(recorder.attempts) == 3
    assert len(reads) == 1
