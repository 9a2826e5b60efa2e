"""Every picture gets its file and its digest, wherever the file comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from vqaserve.errors import InvalidImage, InvalidQuestion
from vqaserve.identifying import Fetched, Identifier
from vqaserve.types import Item, Query, RemoteImage

URL = RemoteImage("https://images.example.org/x.png")


class Site:
    """A fetcher that returns the same file, or the same error, for every URL."""

    def __init__(self, found: bytes | InvalidImage) -> None:
        self.found = found
        self.urls: list[tuple[str, str]] = []

    def fetch(self, urls: Iterable[tuple[str, str]]) -> Fetched:
        self.urls = list(urls)
        return dict.fromkeys(self.urls, self.found)


def test_the_same_file_has_the_same_digest_sent_or_fetched():
    items = Identifier(Site(b"a file")).identify([Item("a", Query(b"a file", "q")), Item("b", Query(URL, "q"))])
    assert {item.picture.digest for item in items} == {hashlib.sha256(b"a file").hexdigest()}
    assert [item.picture.data for item in items] == [b"a file"] * 2


def test_a_url_that_cannot_be_fetched_fails_its_own_items():
    items = Identifier(Site(InvalidImage("no"))).identify([Item("a", Query(URL, "q")), Item("b", Query(b"x", "q"))])
    assert [str(item.error) for item in items] == ["no", "None"]


def test_nothing_is_fetched_for_an_item_that_has_failed():
    site = Site(b"a file")
    failed = Item("a", Query(URL, ""), error=InvalidQuestion("empty"))
    assert Identifier(site).identify([failed]) == [failed]
    assert site.urls == []
