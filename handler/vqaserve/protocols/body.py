"""Reads the body of a request: its compression, its charset, and the JSON or form in it."""

from __future__ import annotations

from dataclasses import replace

from vqaserve.errors import BadRequest, UnsupportedMediaType
from vqaserve.protocols.body_kinds import refuse_other_than_json, starts_as_json
from vqaserve.protocols.compression import codings_of, refuse_unannounced, unpack
from vqaserve.protocols.form import (
    MULTIPART,
    URL_ENCODED,
    guess_boundary,
    read_multipart,
    read_url_encoded,
    refuse_repeated,
)
from vqaserve.protocols.json_text import parse_json
from vqaserve.protocols.media_type import MediaType
from vqaserve.types import Request

BINARY_HEADER = "inference-header-content-length"
"""The header of the Open Inference Protocol's binary extension: the body is JSON followed by raw tensors."""


def read_body(request: Request) -> Request:
    """The request with its body unpacked and decoded: JSON as ``body``, a form as its fields, anything else as bytes.

    JSON is read under any content type, because many clients do not set one.

    Raises:
        BadRequest: The body is not what its headers say, or it holds two values of one name.
        ContentTooLarge: It is compressed, and too large when unpacked.
        UnsupportedMediaType: It is compressed in a way that is not supported.
    """
    refuse_repeated(request.repeated)
    body = request.body
    encoding = request.headers.get("content-encoding", "")
    if not isinstance(body, bytes | bytearray | str):  # TorchServe has decoded it
        if body is None and codings_of(encoding):
            raise UnsupportedMediaType(
                f"the form is compressed with Content-Encoding {encoding!r:.40}; send it uncompressed, or send JSON"
            )
        return request
    content = body.encode() if isinstance(body, str) else bytes(body)
    if codings_of(encoding):
        content = unpack(content, encoding)
    refuse_unannounced(content)
    if BINARY_HEADER in request.headers:
        return _with_body(request, content)
    media_type = MediaType.of(request.headers)
    if media_type.name == MULTIPART and media_type.boundary:
        return _with_fields(request, read_multipart(content, media_type))
    if media_type.is_json or starts_as_json(content):
        refuse_other_than_json(content, media_type.name)
        return _with_body(request, _json(content, media_type) if content.strip() else content)
    if media_type.name == MULTIPART:
        return _with_fields(request, read_multipart(content, media_type))
    if media_type.name == URL_ENCODED and content.isascii() and not guess_boundary(content):
        return _with_fields(request, read_url_encoded(content, media_type))
    if media_type.name.startswith("multipart/") or guess_boundary(content):
        raise BadRequest(
            f"the body is a form, but its Content-Type is {media_type.name or 'missing'!r:.60}; "
            f"send multipart/form-data; boundary={guess_boundary(content) or '...'}"
        )
    return _with_body(request, content)


def _json(content: bytes, media_type: MediaType) -> object:
    body = parse_json(content, media_type.charset)
    if body is None:
        raise BadRequest("the body is null; send one JSON object")
    return body


def _with_body(request: Request, body: object) -> Request:
    return replace(request, fields={**request.fields, "body": body})


def _with_fields(request: Request, fields: dict[str, object]) -> Request:
    """The request with a form's fields beside those of its query string."""
    others = {name: value for name, value in request.fields.items() if name != "body"}
    refuse_repeated(fields.keys() & others.keys())
    return replace(request, fields={**others, **fields})
