"""Pictures, redirects and faults that a web server on loopback sends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

import pytest

from tests.support.pictures import encoded
from tests.support.sites import Site
from vqaserve.errors import InvalidImage
from vqaserve.remote import Fetcher
from vqaserve.settings import RemoteImages

PNG = encoded()


class _Server(ThreadingHTTPServer):
    """Takes 41 connections at once: of those over the backlog, each waits a second to be tried again."""

    request_queue_size = 128
    daemon_threads = True


@pytest.fixture(scope="module")
def site() -> Iterator[ThreadingHTTPServer]:
    server = _Server(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch_from(site: ThreadingHTTPServer) -> Callable[[str], bytes | str]:
    """Fetch a page of the site, whose name resolves to a listed network; return the bytes or the error message."""
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


@pytest.mark.parametrize("page", ["absolute", "other_scheme_case", "no_scheme", "relative", "with_part", "permanent"])
def test_a_redirect_is_followed_however_it_is_written(fetch_from, page: str):
    assert fetch_from(page) == PNG


@pytest.mark.parametrize(
    "kind", ["IMAGE/PNG", "image/png; charset=binary", "application/octet-stream", "binary/octet-stream", ""]
)
def test_a_picture_is_accepted_under_every_media_type_that_file_stores_send(fetch_from, kind: str):
    assert fetch_from(f"typed?{kind}".replace(" ", "%20")) == PNG


@pytest.mark.parametrize("page", ["gzipped", "GZIPPED", "deflated", "identity"])
def test_a_compressed_picture_is_unpacked(fetch_from, page: str):
    assert fetch_from(page) == PNG


def test_percent_escapes_and_the_query_reach_the_server_as_they_were_written(fetch_from):
    assert fetch_from("exact/a%20b%2Fc%C3%BC.png?x=%26&y=#part") == PNG


def test_a_fetch_sends_host_user_agent_and_accepted_types(fetch_from):
    assert fetch_from("polite") == PNG


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
        ("bomb", "has more than 100,000 bytes"),
        ("padded", "has more than 100,000 bytes"),
        ("empty_blocks", "has more than 100,000 bytes"),
        ("brotli", "answered compressed with 'br'"),
        ("no_gzip", "answered with damaged gzip data"),
        ("half_gzip", "gzip data that is cut off"),
        ("no_content", "answered 204"),
        ("endless", "has more than 100,000 bytes"),
        ("slow", "did not answer within 2 s"),
    ],
)
def test_a_faulty_reply_is_refused_with_its_fault(fetch_from, page: str, message: str):
    assert message in fetch_from(page)


def test_pictures_of_a_batch_are_fetched_side_by_side_within_one_limit(fetch_from, site: ThreadingHTTPServer):
    host = f"http://pictures.test:{site.server_port}"
    settings = RemoteImages(allowed_image_hosts=(host,), allowed_image_networks=("127.0.0.0/8",), seconds=1)
    fetch = Fetcher(settings, 100_000, lambda name, port: ["127.0.0.1"])
    found = fetch.fetch([*(("r", f"{host}/slow/{number}") for number in range(6)), ("r", f"{host}/good")])
    assert found["r", f"{host}/good"] == PNG
    assert sum(isinstance(one, InvalidImage) for one in found.values()) == 6


def test_the_byte_limit_of_one_request_does_not_affect_another(site: ThreadingHTTPServer):
    host = f"http://pictures.test:{site.server_port}"
    settings = RemoteImages(allowed_image_hosts=(host,), allowed_image_networks=("127.0.0.0/8",), seconds=20)
    fetch = Fetcher(settings, len(PNG), lambda name, port: ["127.0.0.1"])
    found = fetch.fetch([*(("greedy", f"{host}/good/{number}") for number in range(6)), ("modest", f"{host}/good/0")])
    refused = [str(one) for one in found.values() if isinstance(one, InvalidImage)]
    assert found["modest", f"{host}/good/0"] == PNG
    assert len(refused) == 2
    assert f"have more than {4 * len(PNG)} bytes together" in refused[0]


def test_slow_pictures_of_other_requests_delay_no_picture(site: ThreadingHTTPServer):
    host = f"http://pictures.test:{site.server_port}"
    settings = RemoteImages(allowed_image_hosts=(host,), allowed_image_networks=("127.0.0.0/8",), seconds=1)
    fetch = Fetcher(settings, 100_000, lambda name, port: ["127.0.0.1"])
    slow = [(f"slow {number % 10}", f"{host}/slow/{number}") for number in range(40)]
    found = fetch.fetch([*slow, ("quick", f"{host}/good")])
    assert found["quick", f"{host}/good"] == PNG
    assert "did not answer within 1 s" in str(found[slow[0]])
