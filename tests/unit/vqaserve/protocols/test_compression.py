from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib

import pytest

from vqaserve.errors import BadRequest, ContentTooLarge, UnsupportedMediaType, VqaError
from vqaserve.protocols.compression import MAX_BYTES, unpack

BODY = b'{"question": "what?"}' * 50


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("packed", "header"),
    [
        (gzip.compress(BODY, mtime=0), "gzip"),
        (gzip.compress(BODY, mtime=0), "GZip"),
        (gzip.compress(BODY, mtime=0), "x-gzip"),
        (gzip.compress(BODY, mtime=0), "identity, gzip"),
        (gzip.compress(BODY, mtime=0) + bytes(512), "gzip"),
        (gzip.compress(BODY[:100], mtime=0) + gzip.compress(BODY[100:], mtime=0), "gzip"),
        (zlib.compress(BODY), "deflate"),
        (zlib.compress(BODY, 0), "Deflate"),
        (raw_deflate(BODY), "deflate"),
        (gzip.compress(zlib.compress(BODY), mtime=0), "deflate, gzip"),
        (zlib.compress(gzip.compress(BODY, mtime=0)), " gzip ,deflate"),
        (BODY, "identity"),
        (BODY, ""),
        (BODY, " , "),
    ],
)
def test_a_body_is_unpacked_by_its_codings_in_reverse(packed: bytes, header: str):
    assert unpack(packed, header) == BODY


@pytest.mark.parametrize(
    ("packed", "header", "error", "message"),
    [
        (BODY, "gzip", BadRequest, "the body is not gzip data, as Content-Encoding says"),
        (BODY, "deflate", BadRequest, "the body is not deflate data"),
        (b"", "gzip", BadRequest, "not gzip data"),
        (gzip.compress(BODY, mtime=0)[:-9], "gzip", BadRequest, "or it is damaged"),
        (gzip.compress(BODY, mtime=0)[:-8] + bytes(8), "gzip", BadRequest, "or it is damaged"),
        (gzip.compress(BODY, mtime=0) + b"rest", "gzip", BadRequest, "or it is damaged"),
        (zlib.compress(BODY), "gzip", BadRequest, "not gzip data"),
        (gzip.compress(b"", mtime=0) * 100_000, "gzip", BadRequest, "or it is damaged"),
        (BODY, "br", UnsupportedMediaType, "Content-Encoding 'br'; send gzip, deflate or no compression"),
        (BODY, "zstd", UnsupportedMediaType, "'zstd'"),
        (BODY, "compress", UnsupportedMediaType, "'compress'"),
        (gzip.compress(BODY, mtime=0), "gzip, aws-chunked", UnsupportedMediaType, "'aws-chunked'"),
        (BODY, "gzip, gzip, gzip", UnsupportedMediaType, "3 content codings; at most 2"),
    ],
)
def test_a_body_that_is_not_what_its_header_says_is_refused(
    packed: bytes, header: str, error: type[VqaError], message: str
):
    with pytest.raises(error, match=message):
        unpack(packed, header)


@pytest.mark.parametrize("header", ["gzip", "deflate", "gzip, gzip", "deflate, gzip"])
def test_a_bomb_is_refused_without_the_memory_that_it_asks_for(header: str):
    packed = bytes(200_000_000)
    for coding in header.split(", "):
        packed = gzip.compress(packed) if coding == "gzip" else zlib.compress(packed)
    tracemalloc.start()
    try:
        with pytest.raises(ContentTooLarge, match=r"unpacks to more than .* at most 26,000,000 bytes and 200 times"):
            unpack(packed, header)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BYTES
    finally:
        tracemalloc.stop()


def test_a_body_just_over_the_limit_is_refused_and_one_at_the_limit_is_not():
    noise = os.urandom(1024 * 1024)
    content = (noise * (MAX_BYTES // len(noise) + 1))[:MAX_BYTES]
    assert unpack(gzip.compress(content, 1), "gzip") == content
    with pytest.raises(ContentTooLarge):
        unpack(gzip.compress(content + b"x", 1), "gzip")


def test_a_small_body_may_be_packed_however_well():
    assert unpack(gzip.compress(bytes(1_000_000)), "gzip") == bytes(1_000_000)
