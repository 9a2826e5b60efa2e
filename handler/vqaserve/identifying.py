"""The stage that gives each picture its identity: fetch the file if it came as a URL, and hash it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence

from vqaserve.errors import VqaError
from vqaserve.pictures import Picture
from vqaserve.remote import Fetcher
from vqaserve.stages import run_stage
from vqaserve.types import Item, RemoteImage

log = logging.getLogger(__name__)

Fetched = Mapping[tuple[str, str], bytes | VqaError]
"""The file, or the error, by request and URL."""


class Identifier:
    """Identifies the pictures of a batch."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def identify(self, items: Sequence[Item]) -> list[Item]:
        """Return each item with its picture's file and digest, or with the error of the fetch.

        All URLs of the batch are fetched side by side. A file that several questions share is hashed once.
        """
        images = [(item.request_id, image) for item in items if item.error is None for image in item.query.images]
        fetched = self._fetcher.fetch((label, image.url) for label, image in images if isinstance(image, RemoteImage))
        # By identity: as a key, a file would be hashed for the dictionary too.
        files = {id(data): data for data in (*(image for _, image in images), *fetched.values())}
        digests = {key: digest_of(data) for key, data in files.items() if isinstance(data, bytes)}

        def identify_one(item: Item) -> Item:
            files = [_file_of(item, image, fetched) for image in item.query.images]
            return item.with_pictures([Picture(digests[id(data)], data=data) for data in files])

        return run_stage(identify_one, items)


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a picture file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _file_of(item: Item, image: bytes | RemoteImage, fetched: Fetched) -> bytes:
    """Return the file of one of an item's pictures.

    Raises:
        VqaError: It could not be fetched.
    """
    if not isinstance(image, RemoteImage):
        return image
    data = fetched[item.request_id, image.url]
    if isinstance(data, VqaError):
        if data.__cause__:
            log.info("request %s: the picture's URL could not be fetched: %r", item.request_id, data.__cause__)
        raise data
    return data
