"""Pictures that no cache has seen."""

from __future__ import annotations

import os

TAG_BYTES = 8


def unseen_copy(picture: bytes, tag: bytes | None = None) -> bytes:
    """Return a file with the same pixels and different bytes.

    Decoders ignore what follows the end of a picture; caches hash the whole file.

    Args:
        picture: A picture file of any format.
        tag: The bytes to append, by default random ones. The same tag gives the same file.
    """
    return picture + (os.urandom(TAG_BYTES) if tag is None else tag)
