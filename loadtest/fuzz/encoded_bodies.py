"""Good bodies under unusual media types, charsets and content codings, right and wrong ones."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import httpx

from loadtest.fuzz.target import Target

BOMB_BYTES = 100_000_000


@dataclass(frozen=True)
class EncodedBody:
    """A body and its headers."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


def picture_form(picture: bytes, fields: Mapping[str, str]) -> EncodedBody:
    """Return a form with a picture and other fields."""
    request = httpx.Request("POST", "http://127.0.0.1", data=fields, files={"image": picture})
    return EncodedBody(request.read(), {"Content-Type": request.headers["content-type"]})


def _raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


@cache
def _bomb(compress: Callable[..., bytes]) -> bytes:
    return compress(bytes(BOMB_BYTES), 1)


CODINGS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("gzip", gzip.compress),
    ("GZip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", _raw_deflate),
    ("identity", bytes),
    ("gzip, deflate", lambda content: zlib.compress(gzip.compress(content))),
    ("gzip, gzip, gzip, gzip", gzip.compress),
    ("gzip", lambda content: gzip.compress(content)[:-9]),
    ("gzip", lambda content: gzip.compress(content) + b"garbage"),
    ("gzip", lambda content: gzip.compress(content) + gzip.compress(content)),
    ("gzip", bytes),
    ("gzip", lambda _: b""),
    ("gzip", lambda _: _bomb(gzip.compress)),
    ("deflate", lambda _: _bomb(zlib.compress)),
    ("br", bytes),
    ("zstd", bytes),
    ("", bytes),
    (",", bytes),
    ("compress", bytes),
)
"""Values of Content-Encoding, each with what is done to the body: right, mismatched, cut off, and bombs."""

MEDIA_TYPES = (
    "application/json",
    "Application/JSON; Charset=UTF-8",
    'application/json; charset="utf-8"',
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=none-such",
    "application/vnd.api+json",
    "text/json",
    "text/plain",
    "image/PNG",
    "image/*",
    "*/*",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "Multipart/Form-Data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary="other"',
    "multipart/mixed; boundary=x",
    "json",
    ";",
    "/",
    "",
)


def encoded_bodies(seed: int, target: Target) -> Iterator[EncodedBody]:
    """Yield bodies without end; the same for the same seed."""
    generator, picture = random.Random(seed), target.files[0]
    text = json.dumps({"image": base64.b64encode(picture).decode(), **target.fields}).encode()
    form = picture_form(picture, target.fields)
    bodies = [EncodedBody(text, {"Content-Type": "application/json"}), form, EncodedBody(picture)]
    while True:
        body = generator.choice(bodies)
        if generator.random() < 0.5:
            coding, encode = generator.choice(CODINGS)
            yield EncodedBody(encode(body.content), {**body.headers, "Content-Encoding": coding})
        else:
            yield EncodedBody(body.content, {"Content-Type": generator.choice(MEDIA_TYPES)})
